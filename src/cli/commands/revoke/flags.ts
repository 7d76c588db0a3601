import { connectionFlags, connectionNote } from "../../connect.js";
import { type FlagGroup, type FlagTable, wholeNumber } from "../../flags.js";
import { formats } from "../../grants/content.js";
import { selectorFlags, selectorNote } from "../../grants/selectors.js";
import { UsageError } from "../../io.js";
import type { LoggedCommand } from "../../log/entry.js";
import { type Rate, rateFlags, readRate } from "../../pace.js";

/** This many unknown grants at the start suggest the wrong organization. */
export const suspiciousUnknown = 100;

const inputFlags = {
  file: {
    type: "string",
    value: "<path>",
    help: `one grant a line; text, CSV, TSV, JSON and JSON Lines, ZITADEL's own search responses, what list writes; - for standard input`,
  },
  format: {
    type: "string",
    value: "<name>",
    values: formats,
    help: "the format, if it cannot be detected from name and content",
  },
  column: {
    type: "string",
    value: "<name>",
    help: "column of the CSV (field of the JSON) with grant ids; grantId or grant_id by default",
  },
} as const satisfies FlagTable;

export const actionFlags = {
  "dry-run": {
    type: "boolean",
    help: "check input, connection and permission, and change nothing",
  },
  yes: {
    type: "boolean",
    short: "y",
    help: "do not ask; required if there is no terminal to ask on",
  },
  "allow-unknown": {
    type: "boolean",
    help: `count grants that are not found as done, even if the first ${suspiciousUnknown} all are`,
  },
  json: { type: "boolean", help: "outcomes as JSON Lines" },
  quiet: {
    type: "boolean",
    short: "q",
    help: "print nothing to standard error unless something goes wrong; needs --yes",
  },
} as const satisfies FlagTable;

const logFlags = {
  log: {
    type: "string",
    value: "<path>",
    help: "where the log is written; ./zitadel-user-grants-<time>.jsonl by default",
  },
  "no-log": {
    type: "boolean",
    help: "write no log: the run cannot be resumed, verified or restored",
  },
  record: {
    type: "boolean",
    help: "look up each given grant first, and log its user, project, roles and state: restore needs them. Selected grants and the output of list are recorded anyway",
  },
} as const satisfies FlagTable;

export const paceFlags = (command: LoggedCommand) =>
  ({
    ...rateFlags,
    concurrency: {
      type: "string",
      value: "<n>",
      help: `requests at a time (${command === "remove" ? 4 : 8})`,
    },
  }) as const satisfies FlagTable;

/** The flags of `remove` and `deactivate`, as their help shows them. */
export function bulkGroups(command: LoggedCommand): FlagGroup[] {
  return [
    { title: "Selecting grants", flags: selectorFlags, note: selectorNote },
    { title: "Grants by id", flags: inputFlags },
    { title: "What happens", flags: actionFlags },
    { title: "Log", flags: logFlags },
    { title: "Pace", flags: paceFlags(command) },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ];
}

/** The same in one table. */
export const runFlags = (command: LoggedCommand) => ({
  ...selectorFlags,
  ...inputFlags,
  ...actionFlags,
  ...logFlags,
  ...paceFlags(command),
  ...connectionFlags,
});

interface SettingFlags {
  readonly rate?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly "allow-unknown"?: boolean | undefined;
}

/** @throws UsageError for values that are not allowed. */
export function readSettings(flags: SettingFlags): Settings {
  if (flags.quiet && !flags.yes) {
    throw new UsageError("--quiet needs --yes: it would hide what the question is about.");
  }
  // Reject invalid values now.
  readRate(flags.rate, "http://localhost");
  return {
    rate: (baseUrl) => readRate(flags.rate, baseUrl),
    concurrency: wholeNumber("concurrency", flags.concurrency, 1000),
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    allowUnknown: flags["allow-unknown"] ?? false,
  };
}

/** How a run is carried out. */
export interface Settings {
  /** How many requests may be sent a second to that instance. */
  readonly rate: (baseUrl: string) => Rate;
  readonly concurrency: number | undefined;
  readonly json: boolean;
  /** Only problems are reported. */
  readonly quiet: boolean;
  readonly allowUnknown: boolean;
}
