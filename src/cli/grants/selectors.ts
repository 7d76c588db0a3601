import { type FlagTable, oneOf } from "../flags.js";
import { type Io, UsageError } from "../io.js";
import { show } from "../terminal.js";
import { readUserIds, userIdProblem } from "./input.js";
import type { GrantRecord } from "./record.js";

const states = ["active", "inactive"] as const;
const userTypes = ["human", "machine"] as const;

/** The flags that select grants. */
export const selectorFlags = {
  user: { type: "string", multiple: true, value: "<id>", help: "grants of this user" },
  "users-file": {
    type: "string",
    value: "<path>",
    help: "grants of the users whose ids are in this file, one a line",
  },
  email: {
    type: "string",
    multiple: true,
    value: "<address>",
    help: "grants of the user with this email address; case does not matter",
  },
  "login-name": {
    type: "string",
    multiple: true,
    value: "<name>",
    help: "grants of the user with this login name; case does not matter",
  },
  project: {
    type: "string",
    multiple: true,
    value: "<id or name>",
    help: "grants of this project: its id (faster), or its exact name",
  },
  role: {
    type: "string",
    multiple: true,
    value: "<key>",
    help: "grants that hold this role, whatever other roles they hold",
  },
  state: { type: "string", values: states, help: "active or inactive grants only" },
  "user-type": { type: "string", values: userTypes, help: "grants of people or of machines only" },
  "created-before": {
    type: "string",
    value: "<date>",
    help: "grants created before this date (2026-01-31, which begins at 00:00 UTC) or time (2026-01-31T12:00:00Z)",
  },
  "changed-before": {
    type: "string",
    value: "<date>",
    help: "grants last changed before this date or time",
  },
} as const satisfies FlagTable;

export const selectorNote =
  "A flag given twice means either value; different flags must all match.";

/** The validated values of the flags. */
export interface Selectors {
  readonly users: readonly string[];
  readonly emails: readonly string[];
  readonly loginNames: readonly string[];
  readonly projects: readonly string[];
  readonly roles: readonly string[];
  readonly state: GrantRecord["state"] | undefined;
  readonly userType: GrantRecord["userType"] | undefined;
  readonly createdBeforeMs: number | undefined;
  readonly changedBeforeMs: number | undefined;
}

export interface SelectorFlags {
  readonly user?: readonly string[] | undefined;
  readonly "users-file"?: string | undefined;
  readonly email?: readonly string[] | undefined;
  readonly "login-name"?: readonly string[] | undefined;
  readonly project?: readonly string[] | undefined;
  readonly role?: readonly string[] | undefined;
  readonly state?: string | undefined;
  readonly "user-type"?: string | undefined;
  readonly "created-before"?: string | undefined;
  readonly "changed-before"?: string | undefined;
}

/** Which of the flags were given. */
export function selectorsGiven(flags: SelectorFlags): string[] {
  return Object.keys(selectorFlags)
    .filter((name) => flags[name as keyof SelectorFlags] !== undefined)
    .map((name) => `--${name}`);
}

/** @throws UsageError for values that are not allowed, or a file that cannot be used. */
export async function readSelectors(flags: SelectorFlags, io: Io): Promise<Selectors> {
  const usersFile = flags["users-file"];
  const listed = usersFile === undefined ? [] : await readUserIds("--users-file", usersFile, io);
  return {
    users: distinct([...(flags.user ?? []).map(userIdOf), ...listed]),
    emails: distinct(flags.email ?? []),
    loginNames: distinct(flags["login-name"] ?? []),
    // Names and keys are exact: they may begin or end with a space.
    projects: [...new Set(flags.project)],
    roles: [...new Set(flags.role)],
    state: oneOf("--state", flags.state, states),
    userType: oneOf("--user-type", flags["user-type"], userTypes),
    createdBeforeMs: dateOf("--created-before", flags["created-before"]),
    changedBeforeMs: dateOf("--changed-before", flags["changed-before"]),
  };
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values.map((value) => value.trim()))];
}

function userIdOf(value: string): string {
  const id = value.trim();
  const problem = userIdProblem(id);
  if (problem !== undefined) {
    throw new UsageError(`--user takes a user id; got ${show(id)} (${problem}).`);
  }
  return id;
}

/** A date without a time zone would mean a different time on another machine. */
function dateOf(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.exec(
    value,
  );
  const ms = match === null ? Number.NaN : Date.parse(value);
  // Date.parse accepts February 30 as March 2.
  const day = match?.[1] ?? "";
  const dayMs = Date.parse(day);
  if (
    Number.isNaN(ms) ||
    Number.isNaN(dayMs) ||
    new Date(dayMs).toISOString().slice(0, 10) !== day
  ) {
    throw new UsageError(
      `${flag} takes a date such as 2026-01-31, or a time with its zone such as 2026-01-31T12:00:00Z; got ${JSON.stringify(value)}.`,
    );
  }
  return ms;
}
