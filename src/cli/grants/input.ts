import { type Io, line, UsageError } from "../io.js";
import type { LoggedGrant } from "../log/entry.js";
import { counted, show } from "../terminal.js";
import {
  type Content,
  columnIndex,
  csvRows,
  type Format,
  formatOf,
  isGrantColumn,
  isUserColumn,
  jsonPieces,
  linesOf,
  openContent,
  peek,
  sniffed,
} from "./content.js";
import { isRecord, roleSeparator, toGrantRecord } from "./record.js";

export interface InputFlags extends ColumnNames {
  readonly file?: string | undefined;
  readonly format?: Format | undefined;
}

type Readings = AsyncIterable<readonly (readonly [where: string, reading: Reading])[]>;

/** The most rejected lines that are listed. */
const mostProblems = 10;

/**
 * Reads the grants from arguments, a file or standard input to the end. Reports the number of duplicate ids.
 *
 * @param add takes each grant, and returns whether it is new.
 * @throws UsageError listing the lines that are not grants: nothing must be sent then.
 */
export async function readGrants(
  args: readonly string[],
  flags: InputFlags,
  withUser: boolean,
  add: (grant: LoggedGrant) => boolean,
  io: Io,
): Promise<void> {
  if (args.length > 0 && flags.file !== undefined) {
    throw new UsageError("Give ids as arguments or in a --file, not both.");
  }
  const readings =
    args.length > 0
      ? readArguments(args, withUser)
      : readContent(openContent("--file", flags.file ?? "-", io), flags, withUser);
  const problems: string[] = [];
  let rejected = 0;
  let duplicates = 0;
  let example = "";
  const rounding = new RoundingCheck();
  for await (const batch of readings) {
    for (const [where, reading] of batch) {
      if (typeof reading === "string") {
        rejected += 1;
        if (problems.length < mostProblems) {
          problems.push(`  ${where}: ${reading}`);
        }
        continue;
      }
      rounding.add(reading.grantId);
      example = reading.grantId;
      if (!add(reading)) {
        duplicates += 1;
      }
    }
  }
  if (rejected > 0) {
    const more = rejected - problems.length;
    throw new UsageError(
      [
        "Nothing was sent: some of the input is not a grant.",
        ...problems,
        ...(more > 0 ? [`  and ${more} more`] : []),
      ].join("\n"),
    );
  }
  if (rounding.isRounded) {
    throw new UsageError(
      `Nothing was sent: all grant ids end in zeros (such as ${example}). Excel has rounded them: format the column as text, and export the ids again.`,
    );
  }
  if (duplicates > 0) {
    line(io.stderr, `${counted(duplicates, "id")} came more than once, and count once.`);
  }
}

async function* readArguments(args: readonly string[], withUser: boolean): Readings {
  yield args.map((argument, index) => [`argument ${index + 1}`, parseText(argument, withUser)]);
}

async function* readContent(
  { name, chunks }: Content,
  flags: InputFlags,
  withUser: boolean,
): Readings {
  const { head, all } = await peek(chunks, sniffed);
  const format = flags.format ?? formatOf(flags.file, head);
  const at = (number: number) => `${name}, line ${number}`;
  switch (format) {
    case "csv":
    case "tsv":
      yield* readCsv(all, format === "tsv" ? "\t" : undefined, flags, withUser, at);
      break;
    case "json":
      for await (const { number, text } of jsonPieces(all)) {
        yield fromJson(text, withUser, flags).map((reading) => [at(number), reading]);
      }
      break;
    case "jsonl":
      for await (const [number, raw] of linesOf(all)) {
        if (raw.trim() !== "") {
          yield fromJson(raw, withUser, flags).map((reading) => [at(number), reading]);
        }
      }
      break;
    case "text":
      for await (const [number, raw] of linesOf(all)) {
        const text = raw.trim();
        // Empty lines, and lines that begin with #, are skipped.
        if (text !== "" && !text.startsWith("#")) {
          yield [[at(number), parseText(text, withUser)]];
        }
      }
  }
}

function parseText(text: string, withUser: boolean): Reading {
  // For a deactivation, two ids with a space between are a user and a grant; for a removal, they may be two
  // grants.
  const [first = "", second, ...rest] = text.split(withUser ? /\s*[\s/]\s*/ : "/");
  if (second !== undefined && rest.length === 0) {
    return toGrant(first, second, withUser);
  }
  return withUser
    ? `a user id and a grant id are needed, as in "<user id>/<grant id>"; got ${show(text)}`
    : toGrant(undefined, text, false);
}

async function* readCsv(
  chunks: AsyncIterable<string>,
  delimiter: string | undefined,
  { column, userColumn }: InputFlags,
  withUser: boolean,
  at: (number: number) => string,
): Readings {
  const wanted = [column, userColumn].filter((name) => name !== undefined);
  let columns: readonly string[] | undefined;
  let toReading: ((cells: readonly string[]) => Reading) | undefined;
  for await (const rows of csvRows(chunks, wanted, delimiter)) {
    const data = columns === undefined ? rows.slice(1) : rows;
    columns ??= rows[0]?.cells.map((name) => name.trim()) ?? [];
    const width = columns.length;
    toReading ??= rowReader(columns, column, userColumn, withUser);
    const read = toReading;
    yield data.map(({ number, cells }) => [
      at(number),
      cells.length === width
        ? read(cells)
        : `has ${counted(cells.length, "cell")}, and the first line has ${width}`,
    ]);
  }
}

function rowReader(
  columns: readonly string[],
  column: string | undefined,
  userColumn: string | undefined,
  withUser: boolean,
): (cells: readonly string[]) => Reading {
  const grantAt = columnIndex(columns, "column", column, isGrantColumn, "grantId or grant_id");
  const userAt =
    withUser || userColumn !== undefined
      ? columnIndex(columns, "user-column", userColumn, isUserColumn, "userId or user_id")
      : columns.findIndex(isUserColumn);
  // Columns that `list` writes in addition to the ids.
  const known = knownColumns.map((name) => [name, columns.indexOf(name)] as const);
  const rolesAt = columns.indexOf("roleKeys");
  return (cells) =>
    toGrant(cells[userAt]?.trim(), cells[grantAt]?.trim(), withUser, {
      ...Object.fromEntries(known.map(([name, index]) => [name, unescaped(cells[index])])),
      roleKeys: unescaped(cells[rolesAt])
        ?.split(roleSeparator)
        .filter((role) => role !== ""),
    });
}

const knownColumns = [
  ...["state", "projectId", "projectGrantId", "projectName"],
  ...["userName", "email", "displayName"],
];

/** `list` puts an apostrophe before a value that a spreadsheet would take for a formula. */
function unescaped(cell: string | undefined): string | undefined {
  return cell?.replace(/^'(?=[=+\-@\t\r])/, "");
}

/**
 * Reads a list of user ids, one a line.
 *
 * @throws UsageError when the list is empty, or listing the lines that are not user ids.
 */
export async function readUserIds(flag: string, path: string, io: Io): Promise<string[]> {
  const { name, chunks } = openContent(flag, path, io);
  const ids: string[] = [];
  for await (const [number, raw] of linesOf(chunks)) {
    const id = raw.trim();
    if (id === "" || id.startsWith("#")) {
      continue;
    }
    const problem = userIdProblem(id);
    if (problem !== undefined) {
      throw new UsageError(`${name}, line ${number}: not a user id: ${show(id)} (${problem})`);
    }
    ids.push(id);
  }
  if (ids.length === 0) {
    throw new UsageError(`${flag}: there are no user ids in ${name}.`);
  }
  return ids;
}

/** The content of a line: a grant, or why it is not one. */
export type Reading = LoggedGrant | string;

/** Where ids are, if not under their usual names. */
export interface ColumnNames {
  readonly column?: string | undefined;
  readonly userColumn?: string | undefined;
}

/** What the input contains about a grant in addition to its ids: any of it may be missing or wrong. */
export type Known = Readonly<Record<string, unknown>>;

/**
 * Validates a grant that was read.
 *
 * @param withUser whether a grant must have a user.
 */
export function toGrant(
  userId: unknown,
  grantId: unknown,
  withUser: boolean,
  known: Known = {},
): Reading {
  if (typeof grantId === "number") {
    return "the grant id is a number: write ids as strings, JSON numbers lose digits";
  }
  const problem = typeof grantId === "string" ? grantIdProblem(grantId) : "it is missing";
  if (problem !== undefined) {
    return `not a grant id: ${show(grantId)} (${problem})`;
  }
  if (typeof userId === "number" && withUser) {
    return "the user id is a number: write ids as strings, JSON numbers lose digits";
  }
  const userProblem = typeof userId === "string" ? userIdProblem(userId) : "it is missing";
  if (userProblem !== undefined && withUser) {
    return `not a user id: ${show(userId)} (${userProblem})`;
  }
  const ids = { grantId: String(grantId), userId: userProblem ? undefined : String(userId) };
  return { ...ids, ...checkKnown(known) };
}

/** The state is used only as a whole: half of a state could not be restored. */
function checkKnown(known: Known): Partial<LoggedGrant> {
  const { state, roleKeys } = known;
  const projectId = text(known.projectId);
  if ((state !== "active" && state !== "inactive") || !projectId || !Array.isArray(roleKeys)) {
    return {};
  }
  const projectGrantId = text(known.projectGrantId);
  return {
    recorded: { state, roleKeys: roleKeys.map(String), projectId, projectGrantId },
    userName: text(known.userName),
    displayName: text(known.displayName),
    email: text(known.email),
    projectName: text(known.projectName),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The grants in JSON: ids, objects with ids, responses of ZITADEL, or what `list` writes. */
export function fromJson(raw: string, withUser: boolean, names: ColumnNames): Reading[] {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return [`no JSON: ${show(raw)}`];
  }
  return fromValue(value, withUser, names);
}

function fromValue(value: unknown, withUser: boolean, names: ColumnNames): Reading[] {
  if (Array.isArray(value)) {
    return value.flatMap((element) => fromValue(element, withUser, names));
  }
  if (!isRecord(value)) {
    return [
      withUser
        ? `an object with userId and grantId is needed; got ${show(value)}`
        : toGrant(undefined, value, false),
    ];
  }
  if (Array.isArray(value.result)) {
    return fromValue(value.result, withUser, names);
  }
  if (isRecord(value.userGrant)) {
    return fromValue(value.userGrant, withUser, names);
  }
  if (isRecord(value.details) && Object.keys(value).length === 1) {
    // A search without results.
    return [];
  }
  if (names.column === undefined && value.grantId === undefined && "roleKeys" in value) {
    // In ZITADEL's own form of a grant, the id is called id.
    const record = toGrantRecord(value);
    if (record !== undefined) {
      return [toGrant(record.userId, record.grantId, withUser, { ...record })];
    }
  }
  const userId = value[names.userColumn ?? (value.userId === undefined ? "user_id" : "userId")];
  const grantId = value[names.column ?? (value.grantId === undefined ? "grant_id" : "grantId")];
  return [toGrant(userId, grantId, withUser, value)];
}

const longest = 200;

/** Why a text is not a valid grant id; undefined if it is valid. */
export function grantIdProblem(id: string): string | undefined {
  return (
    commonProblem(id) ??
    (/^[A-Za-z0-9_-]+$/.test(id) ? undefined : "a grant id has digits (letters, - and _ pass too)")
  );
}

/** Why a text is not a valid user id; undefined if it is valid. */
export function userIdProblem(id: string): string | undefined {
  return commonProblem(id);
}

function commonProblem(id: string): string | undefined {
  if (id === "") {
    return "it is empty";
  }
  if ([...id].length > longest) {
    return `it has more than ${longest} characters`;
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

/**
 * Whether ids look as if Excel had rounded them to 15 digits: 400986363463207974 becomes 400986363463207000.
 * One id in a thousand ends like this by chance; two in a row are unlikely to.
 */
export class RoundingCheck {
  #long = 0;
  #rounded = 0;

  add(id: string): void {
    if (/^\d{16,}$/.test(id)) {
      this.#long += 1;
      if (/^\d{15}0+$/.test(id)) {
        this.#rounded += 1;
      }
    }
  }

  get isRounded(): boolean {
    return this.#rounded >= 2 && this.#rounded === this.#long;
  }
}
