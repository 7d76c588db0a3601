import { connectionFlags, connectionNote } from "../../connect.js";
import { type FlagGroup, type FlagTable, wholeNumber } from "../../flags.js";
import { selectorFlags, selectorNote } from "../../grants/selectors.js";
import { UsageError } from "../../io.js";
import type { LoggedCommand } from "../../log/entry.js";
import { type Rate, rateFlags, readRate } from "../../pace.js";

/** This many unknown grants at the start suggest the wrong organization. */
export const suspiciousUnknown = 100;

const flag = { type: "boolean" } as const;
const valued = { type: "string" } as const;

const inputFlags = {
  file: { ...valued, value: "<path>", help: "ids: text, CSV, JSON, what list writes; - is stdin" },
  column: { ...valued, value: "<name>", help: "the CSV's column with ids; default grantId" },
} as const satisfies FlagTable;

/** Those that a resumed run takes as well. */
export const actionFlags = {
  yes: { ...flag, short: "y", help: "do not ask" },
  "allow-unknown": { ...flag, help: "count grants that are not found as done" },
  "no-check": { ...flag, help: "do not look afterwards if the access has ended" },
  repair: { ...flag, help: "deactivate again what ZITADEL does not show" },
  json: { ...flag, help: "outcomes as JSON Lines" },
  quiet: { ...flag, short: "q", help: "report problems alone; needs --yes" },
} as const satisfies FlagTable;

const planFlags = {
  "dry-run": { ...flag, help: "show the plan, check the permission, change nothing" },
  "allow-incomplete": { ...flag, help: "go on if not all grants could be read" },
  "no-record": { ...flag, help: "do not read given grants first: no restore" },
  log: { ...valued, value: "<path>", help: "default ./zitadel-user-grants-<time>.jsonl" },
  "no-log": { ...flag, help: "write none: no resume, verify or restore" },
} as const satisfies FlagTable;

export const paceFlags = (command: LoggedCommand) =>
  ({
    ...rateFlags,
    concurrency: {
      ...valued,
      value: "<n>",
      help: command === "remove" ? "requests at a time (4)" : "at a time (1): more can lose events",
    },
  }) as const satisfies FlagTable;

/** The flags of `remove` and `deactivate`, as their help shows them. */
export function bulkGroups(command: LoggedCommand): FlagGroup[] {
  return [
    { title: "Grants", flags: { ...selectorFlags, ...inputFlags }, note: selectorNote },
    { title: "Run", flags: { ...planFlags, ...actionFlags, ...paceFlags(command) } },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ];
}

/** The same in one table. */
export const runFlags = (command: LoggedCommand) => ({
  ...selectorFlags,
  ...inputFlags,
  ...planFlags,
  ...actionFlags,
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
  readonly "no-check"?: boolean | undefined;
  readonly repair?: boolean | undefined;
}

/** @throws UsageError for values that are not allowed. */
export function readSettings(flags: SettingFlags): Settings {
  if (flags.quiet && !flags.yes) {
    throw new UsageError("--quiet needs --yes: it would hide what the question is about.");
  }
  if (flags["no-check"] && flags.repair) {
    throw new UsageError("--repair mends what the check finds: leave --no-check out.");
  }
  // Reject invalid values now.
  readRate(flags.rate, "http://localhost");
  return {
    rate: (baseUrl) => readRate(flags.rate, baseUrl),
    concurrency: wholeNumber("concurrency", flags.concurrency, 1000),
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    allowUnknown: flags["allow-unknown"] ?? false,
    check: !(flags["no-check"] ?? false),
    repair: flags.repair ?? false,
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
  /** Looks afterwards at what ZITADEL shows. */
  readonly check: boolean;
  readonly repair: boolean;
}
