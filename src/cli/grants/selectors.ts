import type { FlagGroup, FlagValues } from "../flags.js";
import { type Io, line, UsageError } from "../io.js";
import type { Selectors } from "../log/entry.js";
import { counted, show } from "../terminal.js";
import { type CsvRow, csvRows, openContent } from "./content.js";
import { idProblem } from "./input.js";

const one = { type: "string" } as const;
const several = { ...one, multiple: true } as const;

/** The flags that select grants. */
export const selectorGroup = {
  title: "Grants",
  flags: {
    user: { ...several, value: "<id>", help: "of this user, by id or email" },
    "users-file": {
      ...one,
      value: "<path>",
      help: "of these users: ids or email addresses, one a line",
    },
    email: { ...several, value: "<address>", help: "of the user with this email address" },
    "emails-file": { ...one, value: "<path>", help: "of these: one a line, or a column of a CSV" },
    project: { ...several, value: "<id or name>", help: "of this project" },
    role: { ...several, value: "<key>", help: "that hold this role, whatever others they hold" },
    state: { ...one, values: ["active", "inactive"], help: "in this state" },
    "user-type": { ...one, values: ["human", "machine"], help: "of users of this type" },
  },
  note: "A flag given twice means either value; different flags must all match.",
} as const satisfies FlagGroup;

export type SelectorFlags = FlagValues<(typeof selectorGroup)["flags"]>;

/** The first of the flags that was given. */
export function selectorGiven(flags: SelectorFlags): string | undefined {
  const names = Object.keys(selectorGroup.flags) as (keyof SelectorFlags)[];
  return names.find((name) => flags[name] !== undefined);
}

/** @throws UsageError for values that are not allowed, or a file that cannot be used. */
export async function readSelectors(flags: SelectorFlags, io: Io): Promise<Selectors> {
  return {
    users: distinct(flags.user, await readPeople(flags["users-file"], true, io)),
    emails: distinct(flags.email, await readPeople(flags["emails-file"], false, io)),
    // Names and keys are exact: they may begin or end with a space.
    projects: [...new Set(flags.project)],
    roles: [...new Set(flags.role)],
    state: flags.state,
    userType: flags["user-type"],
  };
}

/** Whether a user is named by an email address, and not by an id. */
export function isEmail(user: string): boolean {
  return /^[^\s@,;"<>]+@[^\s@,;"<>]+$/.test(user);
}

/** Reads email addresses, and ids as well where these are taken: then it says how many addresses there are. */
async function readPeople(path: string | undefined, takesIds: boolean, io: Io): Promise<string[]> {
  const people: string[] = [];
  if (path === undefined) {
    return people;
  }
  for await (const [place, value] of entriesOf(path, io)) {
    const isTitle = people.length === 0 && /^[\p{L} -]*mail[\p{L} -]*$/iu.test(value);
    const problem = takesIds ? idProblem(value) : "";
    if (isEmail(value) || problem === undefined) {
      people.push(value);
    } else if (takesIds || !isTitle) {
      const what = takesIds ? "neither a user id nor an email address" : "not an email address";
      throw new UsageError(`${place}: ${what}: ${show(value)}${problem && ` (${problem})`}`);
    }
  }
  if (people.length === 0) {
    throw new UsageError(`There is nobody in ${path}.`);
  }
  const emails = people.filter(isEmail).length;
  if (takesIds && emails > 0) {
    line(io.stderr, `${counted(emails, "email address", "email addresses")} in ${path}.`);
  }
  return people;
}

/**
 * The entries of a list, with their places: one a line, without empty lines and those that begin with #; or of
 * a CSV the email addresses in the only column that holds one in every row.
 */
async function* entriesOf(
  path: string,
  io: Io,
): AsyncGenerator<readonly [place: string, value: string]> {
  const { name, first, lines } = await openContent(path, io);
  if (!/[,;\t"]/.test(first)) {
    for await (const { number, value: raw } of lines) {
      const value = raw.trim();
      if (value !== "" && !value.startsWith("#")) {
        yield [`${name}, line ${number}`, value];
      }
    }
    return;
  }
  const rows: CsvRow[] = [];
  for await (const row of csvRows(lines)) {
    rows.push(row);
  }
  const [titles = [], ...data] = rows.map(({ value }) => value.map((cell) => cell.trim()));
  const columns = [...titles.keys()].filter((at) =>
    data.every((cells) => isEmail(cells[at] ?? "")),
  );
  const [column] = columns;
  if (column === undefined || columns.length > 1 || titles.some(isEmail)) {
    const found = columns.map((at) => show(titles[at])).join(", ") || "none";
    throw new UsageError(
      `${name} must have a line of titles, and one column with an email address in every row; it has: ${found}.`,
    );
  }
  for (const { number, value } of rows.slice(1)) {
    yield [`${name}, line ${number}`, value[column]?.trim() ?? ""];
  }
}

function distinct(given: readonly string[] = [], listed: readonly string[] = []): string[] {
  return [...new Set([...given, ...listed].map((value) => value.trim()))];
}
