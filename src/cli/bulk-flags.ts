import type { FlagGroup, FlagTable } from "./command.js";
import { connectionFlags, connectionNote } from "./connection.js";
import { seconds, wholeNumber } from "./flags.js";
import { formats } from "./input/format.js";
import { UsageError } from "./io.js";
import { rateFlags, readRate } from "./rate.js";
import { selectorFlags, selectorNote } from "./selectors.js";
import { type BulkCommand, type Settings, suspiciousUnknown } from "./settings.js";

const inputFlags = (command: BulkCommand) =>
  ({
    file: {
      type: "string",
      value: "<path>",
      file: true,
      help: `one grant a line${command === "remove" ? "" : " (<user id>/<grant id>)"}; text, CSV, TSV, JSON and JSON Lines, ZITADEL's own search responses, what list writes; - for standard input`,
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
    "user-column": {
      type: "string",
      value: "<name>",
      help: "the same for user ids; userId or user_id by default",
    },
  }) as const satisfies FlagTable;

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
    file: true,
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
  resume: {
    type: "string",
    value: "<path>",
    file: true,
    help: "continue the run of that log, as the command resume does",
  },
} as const satisfies FlagTable;

export const paceFlags = (command: BulkCommand) =>
  ({
    ...rateFlags,
    "batch-size": { type: "string", value: "<n>", help: "grants in a request (100)" },
    concurrency: {
      type: "string",
      value: "<n>",
      help: `requests at a time (${command === "remove" ? 4 : 8})`,
    },
    timeout: { type: "string", value: "<seconds>", help: "how long a request may take (30)" },
    "give-up": {
      type: "string",
      value: "<seconds>",
      help: "stop when the server accepts nothing for this long (300)",
    },
  }) as const satisfies FlagTable;

/** The flags of `remove` and `deactivate`, as their help shows them. */
export function bulkGroups(command: BulkCommand): FlagGroup[] {
  const { "batch-size": batchSize, ...pace } = paceFlags(command);
  const { "user-column": userColumn, ...input } = inputFlags(command);
  const remove = command === "remove";
  return [
    { title: "Selecting grants", flags: selectorFlags, note: selectorNote },
    { title: "Grants by id", flags: remove ? input : { ...input, "user-column": userColumn } },
    { title: "What happens", flags: actionFlags },
    { title: "Log", flags: logFlags },
    { title: "Pace", flags: remove ? { "batch-size": batchSize, ...pace } : pace },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ];
}

/** The same in one table. */
export const runFlags = (command: BulkCommand) => ({
  ...selectorFlags,
  ...inputFlags(command),
  ...actionFlags,
  ...logFlags,
  ...paceFlags(command),
  ...connectionFlags,
});

interface SettingFlags {
  readonly rate?: string | undefined;
  readonly "batch-size"?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly timeout?: string | undefined;
  readonly "give-up"?: string | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly "allow-unknown"?: boolean | undefined;
}

/** @throws UsageError for values that are not allowed. */
export function readSettings(command: BulkCommand, flags: SettingFlags): Settings {
  if (command === "deactivate" && flags["batch-size"] !== undefined) {
    throw new UsageError(
      "--batch-size applies to remove only: each deactivation is a request of its own.",
    );
  }
  if (flags.quiet && !flags.yes) {
    throw new UsageError("--quiet needs --yes: it would hide what the question is about.");
  }
  // Reject invalid values now.
  readRate(flags.rate, "http://localhost");
  return {
    rate: (baseUrl) => readRate(flags.rate, baseUrl),
    batchSize: wholeNumber("batch-size", flags["batch-size"]),
    concurrency: wholeNumber("concurrency", flags.concurrency, 1000),
    timeoutMs: seconds("timeout", flags.timeout),
    giveUpMs: seconds("give-up", flags["give-up"]),
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    allowUnknown: flags["allow-unknown"] ?? false,
  };
}
