import { type FlagTable, oneOf } from "../flags.js";
import { type Io, line, UsageError } from "../io.js";
import type { Selectors } from "../log/entry.js";
import { counted, show } from "../terminal.js";
import { csvRows, linesOf, openContent, peek, sniffed } from "./content.js";
import { userIdProblem } from "./input.js";

const states = ["active", "inactive"] as const;
const userTypes = ["human", "machine"] as const;

const one = { type: "string" } as const;
const several = { ...one, multiple: true } as const;

/** The flags that select grants. */
export const selectorFlags = {
  user: { ...several, value: "<id>", help: "of this user" },
  "users-file": {
    ...one,
    value: "<path>",
    help: "of these users: ids or email addresses, one a line",
  },
  email: { ...several, value: "<address>", help: "of the user with this email address" },
  "emails-file": { ...one, value: "<path>", help: "of these: one a line, or a column of a CSV" },
  "login-name": { ...several, value: "<name>", help: "of the user with this login name" },
  project: { ...several, value: "<id or name>", help: "of this project" },
  role: { ...several, value: "<key>", help: "that hold this role, whatever others they hold" },
  state: { ...one, value: "<state>", values: states, help: "that are active, or inactive" },
  "user-type": {
    ...one,
    value: "<type>",
    values: userTypes,
    help: "of human, or of machine users",
  },
  "created-before": { ...one, value: "<date>", help: "such as 2026-01-31 or 2026-01-31T12:00:00Z" },
  "changed-before": { ...one, value: "<date>", help: "last changed before this date or time" },
} as const satisfies FlagTable;

export const selectorNote =
  "A flag given twice means either value; different flags must all match.";

export interface SelectorFlags {
  readonly user?: readonly string[] | undefined;
  readonly "users-file"?: string | undefined;
  readonly email?: readonly string[] | undefined;
  readonly "emails-file"?: string | undefined;
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
  const users = (flags.user ?? []).map(userIdOf);
  const userEmails: string[] = [];
  if (flags["users-file"] !== undefined) {
    const listed = await readUsersFile(flags["users-file"], io);
    users.push(...listed.users);
    userEmails.push(...listed.emails);
  }
  const emails = (flags.email ?? []).map(emailOf);
  if (flags["emails-file"] !== undefined) {
    emails.push(...(await readEmailsFile(flags["emails-file"], io)));
  }
  return {
    users: distinct(users),
    userEmails: distinct(userEmails),
    emails: distinct(emails),
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

const email = /^[^\s@,;"<>]+@[^\s@,;"<>]+$/;

function emailOf(value: string): string {
  const address = value.trim();
  if (!email.test(address)) {
    throw new UsageError(`--email takes an email address; got ${show(address)}.`);
  }
  return address;
}

/** Ids and email addresses, one a line; empty lines and those that begin with # are skipped. */
async function readUsersFile(path: string, io: Io) {
  const { name, chunks } = openContent("--users-file", path, io);
  const users: string[] = [];
  const emails: string[] = [];
  for await (const [number, raw] of linesOf(chunks)) {
    const value = raw.trim();
    if (value === "" || value.startsWith("#")) {
      continue;
    }
    if (email.test(value)) {
      emails.push(value);
      continue;
    }
    const problem = userIdProblem(value);
    if (problem !== undefined) {
      throw new UsageError(
        `${name}, line ${number}: neither a user id nor an email address: ${show(value)} (${problem})`,
      );
    }
    users.push(value);
  }
  if (users.length + emails.length === 0) {
    throw new UsageError(`--users-file: there are no users in ${name}.`);
  }
  if (emails.length > 0) {
    line(io.stderr, `${counted(emails.length, "email address", "email addresses")} in ${name}.`);
  }
  return { users, emails };
}

/** Email addresses, one a line, or in the only column of a CSV that holds one in every row. */
async function readEmailsFile(path: string, io: Io): Promise<string[]> {
  const { name, chunks } = openContent("--emails-file", path, io);
  const { head, all } = await peek(chunks, sniffed);
  const [first = ""] = head.split(/[\r\n]/, 1);
  if (!/[,;\t]/.test(first)) {
    const emails: string[] = [];
    for await (const [number, raw] of linesOf(all)) {
      const value = raw.trim();
      if (email.test(value)) {
        emails.push(value);
      } else if (value !== "" && !value.startsWith("#") && (number > 1 || !/mail/i.test(value))) {
        throw new UsageError(`${name}, line ${number}: not an email address: ${show(value)}`);
      }
    }
    return someEmails(emails, name);
  }
  const rows: (readonly string[])[] = [];
  for await (const batch of csvRows(all, [])) {
    rows.push(...batch.map(({ cells }) => cells.map((cell) => cell.trim())));
  }
  const [titles = [], ...data] = rows;
  const isEmpty = (cells: readonly string[]) => cells.every((cell) => cell === "");
  const filled = data.filter((cells) => !isEmpty(cells));
  const columns = [...titles.keys()].filter((at) =>
    filled.every((cells) => email.test(cells[at] ?? "")),
  );
  const [column] = columns;
  if (column === undefined || columns.length > 1 || titles.some((title) => email.test(title))) {
    throw new UsageError(
      `--emails-file: ${name} must have a line of titles, and one column with an email address in every row; ${
        columns.length > 1
          ? `these have: ${columns.map((at) => show(titles[at] ?? "")).join(", ")}.`
          : "none has one in every row."
      }`,
    );
  }
  return someEmails(
    filled.map((cells) => cells[column] ?? ""),
    name,
  );
}

function someEmails(emails: readonly string[], name: string): string[] {
  if (emails.length === 0) {
    throw new UsageError(`--emails-file: there are no email addresses in ${name}.`);
  }
  return [...emails];
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
