import { connectionGroup } from "../../connect.js";
import type { FlagTable, FlagValues } from "../../flags.js";
import { selectorGroup } from "../../grants/selectors.js";
import { rateFlags } from "../../pace.js";

const flag = { type: "boolean" } as const;
const valued = { type: "string" } as const;

const inputFlags = {
  file: { ...valued, value: "<path>", help: "ids: text, CSV, JSON, what list writes; - is stdin" },
  column: { ...valued, value: "<name>", help: "the CSV's column with ids; default grantId" },
} as const satisfies FlagTable;

/** The flags of a run and of a restore. */
export const actionFlags = {
  yes: { ...flag, short: "y", help: "do not ask; required without a terminal" },
  "no-check": { ...flag, help: "do not look afterwards whether it is in effect" },
  json: { ...flag, help: "outcomes as JSON Lines" },
  quiet: { ...flag, short: "q", help: "report problems alone; needs --yes" },
  ...rateFlags,
} as const satisfies FlagTable;

/** The flags that a resumed run takes as well. */
export const resumeFlags = {
  "allow-unknown": { ...flag, help: "count grants that are not found as done" },
  repair: { ...flag, help: "deactivate again what ZITADEL does not show" },
  ...actionFlags,
  concurrency: {
    ...valued,
    value: "<n>",
    help: "requests at a time: 4 removals, 1 deactivation, as more can lose events",
  },
} as const satisfies FlagTable;

/** How a run is carried out. */
export type ActionFlags = FlagValues<typeof resumeFlags>;

const planFlags = {
  "dry-run": { ...flag, help: "show the plan, check the permission, change nothing" },
  "allow-incomplete": { ...flag, help: "go on if not all grants could be read" },
  "no-record": { ...flag, help: "do not read given grants first: no restore" },
  log: { ...valued, value: "<path>", help: "default ./zitadel-user-grants-<time>.jsonl" },
  "no-log": { ...flag, help: "write none: no resume, verify or restore" },
} as const satisfies FlagTable;

/** The flags of `remove` and `deactivate`. */
export const bulkGroups = [
  { ...selectorGroup, flags: { ...selectorGroup.flags, ...inputFlags } },
  { title: "Run", flags: { ...planFlags, ...resumeFlags } },
  connectionGroup,
] as const;

export type BulkFlags = FlagValues<(typeof bulkGroups)[number]["flags"]>;
