import { type Io, UsageError } from "../io.js";
import { counted, firstOf, printable, show } from "../terminal.js";
import { type Content, csvRows, jsonTexts, Numbered, openContent } from "./content.js";
import { isRecord, roleSeparator } from "./record.js";

export interface InputFlags {
  readonly file?: string | undefined;
  /** Where the ids are, if not under their usual names. */
  readonly column?: string | undefined;
}

/** Columns that name a user, and a project: the surest comes first. */
const users = ["userId", "email", "preferredLoginName", "userName", "displayName"] as const;
const projects = ["projectId", "projectName"] as const;

/**
 * What a file says about grants besides their ids, by the surest columns that it has. It may be outdated, or
 * belong to another row: it is compared with what the server says, and never recorded.
 */
export interface Claims {
  /** Which column names the user. */
  readonly userBy?: (typeof users)[number];
  readonly projectId?: string;
  readonly projectName?: string;
  readonly roleKeys?: readonly string[];
}

/** A grant of a file. There may be a million: see `Numbered` for why it is an object of a class. */
export class InputGrant {
  readonly grantId: string;
  /** As the file names it; "" if it does not. */
  readonly user: string;
  /** Many grants have the same. */
  readonly claims: Claims;
  /** The line on which it stands. */
  readonly number: number;
  /** Other lines with the same id that say something else. */
  others: readonly InputGrant[] = none;
  /** The id of the user, if known; else "". */
  userId: string;
  /** What ZITADEL shows of it: "active", "inactive", "not found", or which organization has it. */
  shows: string | undefined = undefined;

  constructor(grantId: string, user: string, claims: Claims, number: number) {
    this.grantId = grantId;
    this.user = user;
    this.claims = claims;
    this.number = number;
    this.userId = claims.userBy === "userId" ? user : "";
  }
}

const none: readonly InputGrant[] = [];

/** A grant, or why it is not one. */
type Reading = InputGrant | Numbered<string>;

/**
 * Reads the grants from arguments, a file or standard input to the end.
 *
 * @throws UsageError listing the lines that are not grants: nothing must be sent then.
 */
export async function* readGrants(
  args: readonly string[],
  { file, column }: InputFlags,
  io: Io,
): AsyncGenerator<InputGrant> {
  if (args.length > 0 && file !== undefined) {
    throw new UsageError("Give ids as arguments or in a --file, not both.");
  }
  const content = args.length > 0 ? undefined : await openContent(file ?? "-", io);
  const place = content === undefined ? "argument" : `${content.name}, line`;
  const problems: string[] = [];
  // Excel rounds to 15 digits: 400986363463207974 becomes 400986363463207000. One id in a thousand ends like
  // this by chance; two in a row are unlikely to.
  let long = 0;
  let rounded = 0;
  let example = "";
  for await (const reading of content ? fromContent(content, column) : fromArgs(args)) {
    if (!(reading instanceof InputGrant)) {
      problems.push(`${place} ${reading.number}: ${reading.value}`);
      continue;
    }
    long += /^\d{16,}$/.test(reading.grantId) ? 1 : 0;
    rounded += /^\d{15}0+$/.test(reading.grantId) ? 1 : 0;
    example = reading.grantId;
    yield reading;
  }
  if (problems.length > 0) {
    throw new UsageError(
      ["Nothing was sent: some of the input is not a grant.", ...firstOf(problems)].join("\n  "),
    );
  }
  if (rounded >= 2 && rounded === long) {
    throw new UsageError(
      `Nothing was sent: all grant ids end in zeros (such as ${example}). Excel has rounded them: format the column as text, and export the ids again.`,
    );
  }
}

function* fromArgs(args: readonly string[]): Iterable<Reading> {
  for (const [index, argument] of args.entries()) {
    yield toGrant(index + 1, argument);
  }
}

/** JSON begins with a bracket, a brace or a quoted text alone; what has columns is CSV, and the rest one id a line. */
async function* fromContent(content: Content, column: string | undefined): AsyncIterable<Reading> {
  const { name, first, lines } = content;
  const isHead = isGrantColumn(first.replaceAll('"', ""));
  if (/^[[{]/.test(first) || (/^"[^"]*"$/.test(first) && !isHead)) {
    const read = valueReader(column);
    for await (const { number, value: text } of jsonTexts(content)) {
      yield* read(number, text);
    }
    return;
  }
  if (isHead || column !== undefined || /[,;\t]/.test(first) || /\.csv$/i.test(name)) {
    yield* fromCsv(content, column);
    return;
  }
  for await (const { number, value: raw } of lines) {
    const text = raw.trim();
    // Empty lines, and lines that begin with #, are skipped.
    if (text !== "" && !text.startsWith("#")) {
      yield toGrant(number, text);
    }
  }
}

async function* fromCsv({ lines }: Content, column: string | undefined): AsyncIterable<Reading> {
  let read: RowReader | undefined;
  let width = 0;
  for await (const { number, value: cells } of csvRows(lines)) {
    if (read === undefined) {
      const reader = rowReader(
        cells.map((cell) => cell.trim()),
        column,
      );
      if (typeof reader === "string") {
        throw new UsageError(`The CSV ${reader}.`);
      }
      read = reader;
      width = cells.length;
    } else if (cells.length === width) {
      yield read(number, (at) => cleaned(cells[at] ?? ""));
    } else {
      const has = counted(cells.length, "cell");
      yield new Numbered(number, `has ${has}, and the first line has ${width}`);
    }
  }
}

/**
 * A cell as it was meant: `="4009"` is how a spreadsheet is told that a number is text, and `list` puts an
 * apostrophe before a value that a spreadsheet would take for a formula, or that has one.
 */
function cleaned(cell: string): string {
  return cell.replace(/^'(?='*[=+\-@\t\r])/, "").replace(/^\s*="([^"]*)"\s*$/, "$1");
}

type RowReader = (number: number, cellAt: (at: number) => unknown) => Reading;

/** How rows with these columns are read, or why they cannot be. */
function rowReader(columns: readonly string[], column: string | undefined): RowReader | string {
  const isMeant = (name: string) => (column === undefined ? isGrantColumn(name) : name === column);
  const listed = (names: readonly string[]) => firstOf(names.map(show)).join(", ");
  const ids = columns.filter(isMeant);
  const [idColumn] = ids;
  if (idColumn === undefined) {
    const usual = column === undefined ? "grantId or grant_id" : show(column);
    return `has no column ${usual}: name one with --column. It has: ${listed(columns)}`;
  }
  if (ids.length > 1) {
    return `has several columns of ids: ${listed(ids)}. Name the one that is meant with --column, or remove the other`;
  }
  const idAt = columns.indexOf(idColumn);
  const plain = columns.map(plainName);
  const rolesAt = plain.indexOf("rolekeys");
  const surest = (names: readonly string[]) => {
    const known = names.flatMap((name) => {
      const at = plain.indexOf(name.toLowerCase());
      return at === -1 ? [] : [{ name, at }];
    });
    return (cellAt: (at: number) => unknown) => {
      for (const { name, at } of known) {
        const value = cellAt(at);
        if (typeof value === "string" && value.trim() !== "") {
          return { name, value: value.trim() };
        }
      }
      return undefined;
    };
  };
  const userOf = surest(users);
  const projectOf = surest(projects);
  const kept = new Map<string, Claims>();
  return (number, cellAt) => {
    const user = userOf(cellAt);
    const project = projectOf(cellAt);
    const cell = rolesAt === -1 ? undefined : cellAt(rolesAt);
    const roles: unknown = typeof cell === "string" ? cell.split(roleSeparator) : cell;
    const roleKeys = Array.isArray(roles) ? roles.map(String).filter((role) => role !== "") : [];
    const key = JSON.stringify({
      userBy: user?.name,
      ...(project && { [project.name]: project.value }),
      ...(roleKeys.length > 0 && { roleKeys }),
    });
    const claims = kept.get(key) ?? JSON.parse(key);
    kept.set(key, claims);
    return toGrant(number, cellAt(idAt), user?.value, claims);
  };
}

/** Without its own copy, a text would keep what it was read from in memory. */
function own(text: string): string {
  return Buffer.from(text).toString();
}

function isGrantColumn(name: string): boolean {
  return plainName(name) === "grantid" || plainName(name) === "usergrantid";
}

/** "Grant ID", "grant_id" and "grantId" are the same name. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_-]/g, "");
}

/** How JSON is read: ids, objects with ids, lists of them, responses of ZITADEL, or what `list` writes. */
function valueReader(column: string | undefined): (number: number, text: string) => Reading[] {
  // By the names of the fields: most objects of a file have the same.
  const readers = new Map<string, RowReader | string>();
  const one = (number: number, value: unknown): Reading => {
    if (!isRecord(value)) {
      return toGrant(number, value);
    }
    // In ZITADEL's own form of a grant, the id is called id.
    const isOwn = column === undefined && "projectId" in value;
    const names = Object.keys(value).map((name) => (isOwn && name === "id" ? "grantId" : name));
    const key = names.join();
    const reader = readers.get(key) ?? rowReader(names, column);
    readers.set(key, reader);
    if (typeof reader === "string") {
      return new Numbered(number, `the object ${reader}`);
    }
    const values = Object.values(value);
    return reader(number, (at) => values[at]);
  };
  return (number, text) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return [new Numbered(number, `no JSON: ${printable((error as Error).message)}`)];
    }
    const list = isRecord(value) ? value.result : value;
    if (!Array.isArray(list)) {
      return [one(number, value)];
    }
    return list.map((element, index) => {
      const reading = one(number, element);
      return reading instanceof InputGrant
        ? reading
        : new Numbered(number, `value ${index + 1}: ${reading.value}`);
    });
  };
}

const noClaims: Claims = {};

/** Validates a grant that was read. */
function toGrant(number: number, grantId: unknown, user = "", claims = noClaims): Reading {
  const not = (problem: string) => new Numbered(number, problem);
  if (typeof grantId === "number") {
    return not("the grant id is a number: write ids as strings, JSON numbers lose digits");
  }
  const id = typeof grantId === "string" ? grantId.trim() : undefined;
  const problem = id === undefined ? "it is missing" : grantIdProblem(id);
  if (id === undefined || problem !== undefined) {
    return not(`not a grant id: ${show(grantId)} (${problem})`);
  }
  if ([user, ...Object.values(claims).flat()].some((text) => text.includes("\ufffd"))) {
    return not("it holds bytes that are not UTF-8: save the file as UTF-8, in Excel as CSV UTF-8");
  }
  return new InputGrant(own(id), own(user), claims, number);
}

const longestId = 200;

/** Why a text is not a valid grant id; undefined if it is valid. Words are none: every id has a digit. */
function grantIdProblem(id: string): string | undefined {
  return (
    idProblem(id) ??
    (/^[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*$/.test(id)
      ? undefined
      : "a grant id has digits (letters, - and _ pass too)")
  );
}

/** Why a text is not a valid id; undefined if it is valid. */
export function idProblem(id: string): string | undefined {
  if (id === "") {
    return "it is empty";
  }
  if (id.length > longestId) {
    return `it has more than ${longestId} characters`;
  }
  if (/^\d(?:[.,]\d+)?E\+?\d+$/i.test(id)) {
    return "Excel has rounded this: format the column as text, and export the ids again";
  }
  const [invisible] = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|\ufffd/u.exec(id) ?? [];
  if (invisible !== undefined) {
    const hex = invisible.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
    return `it holds a character that cannot be printed (U+${hex})`;
  }
  return undefined;
}
