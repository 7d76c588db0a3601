import { type Io, line, UsageError } from "../io.js";
import { counted, show } from "../terminal.js";
import {
  type Content,
  columnIndex,
  csvRows,
  type Format,
  formatOf,
  isGrantColumn,
  jsonValues,
  linesOf,
  openContent,
  peek,
  plainName,
  sniffed,
} from "./content.js";
import { isRecord, roleSeparator } from "./record.js";

export interface InputFlags {
  readonly file?: string | undefined;
  readonly format?: Format | undefined;
  /** Where the ids are, if not under their usual names. */
  readonly column?: string | undefined;
}

const claims = [
  ...(["userId", "userName", "preferredLoginName", "displayName", "email"] as const),
  ...(["projectId", "projectName", "projectGrantId", "orgId", "state"] as const),
];

/**
 * What a file says about a grant besides its id. It may be outdated, or belong to another row: it is compared
 * with what the server says, and never recorded.
 */
export type Claimed = { readonly [Name in (typeof claims)[number]]?: string } & {
  readonly roleKeys?: readonly string[];
};

export interface InputGrant {
  readonly grantId: string;
  readonly claimed?: Claimed;
  /** For messages: "plan.csv, line 17". */
  readonly where: string;
}

/** A grant, or why it is not one. */
type Reading = Omit<InputGrant, "where"> | string;
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
  add: (grant: InputGrant) => boolean,
  io: Io,
): Promise<void> {
  if (args.length > 0 && flags.file !== undefined) {
    throw new UsageError("Give ids as arguments or in a --file, not both.");
  }
  const readings =
    args.length > 0
      ? readArguments(args)
      : readContent(openContent("--file", flags.file ?? "-", io), flags);
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
      if (!add({ ...reading, where })) {
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

async function* readArguments(args: readonly string[]): Readings {
  yield args.map((argument, index) => [`argument ${index + 1}`, toGrant(argument)]);
}

async function* readContent({ name, chunks }: Content, flags: InputFlags): Readings {
  const { head, all } = await peek(chunks, sniffed);
  const format = flags.format ?? formatOf(flags.file, head);
  const at = (number: number) => `${name}, line ${number}`;
  switch (format) {
    case "csv":
    case "tsv":
      yield* readCsv(all, format === "tsv" ? "\t" : undefined, flags.column, at);
      break;
    case "json":
      for (const [index, value] of (await jsonValues(all, name)).entries()) {
        yield fromValue(value, flags.column).map((reading) => [
          `${name}, value ${index + 1}`,
          reading,
        ]);
      }
      break;
    case "jsonl":
      for await (const [number, raw] of linesOf(all)) {
        if (raw.trim() !== "") {
          yield fromJson(raw, flags.column).map((reading) => [at(number), reading]);
        }
      }
      break;
    case "text":
      for await (const [number, raw] of linesOf(all)) {
        const text = raw.trim();
        // Empty lines, and lines that begin with #, are skipped.
        if (text !== "" && !text.startsWith("#")) {
          yield [[at(number), toGrant(text)]];
        }
      }
  }
}

async function* readCsv(
  chunks: AsyncIterable<string>,
  delimiter: string | undefined,
  column: string | undefined,
  at: (number: number) => string,
): Readings {
  let columns: readonly string[] | undefined;
  let read: ((cells: readonly string[]) => Reading) | undefined;
  for await (const rows of csvRows(chunks, column === undefined ? [] : [column], delimiter)) {
    const data = columns === undefined ? rows.slice(1) : rows;
    columns ??= rows[0]?.cells.map((name) => name.trim()) ?? [];
    const width = columns.length;
    read ??= rowReader(columns, column);
    const toReading = read;
    yield data.map(({ number, cells }) => [
      at(number),
      cells.length === width
        ? toReading(cells)
        : `has ${counted(cells.length, "cell")}, and the first line has ${width}`,
    ]);
  }
}

function rowReader(
  columns: readonly string[],
  column: string | undefined,
): (cells: readonly string[]) => Reading {
  const idAt = columnIndex(columns, "column", column, isGrantColumn, "grantId or grant_id");
  const plain = columns.map(plainName);
  const known = claims.map((name) => [name, plain.indexOf(name.toLowerCase())] as const);
  const rolesAt = plain.indexOf("rolekeys");
  return (cells) => {
    const roles = unescaped(cells[rolesAt]);
    return toGrant(unformatted(cells[idAt] ?? ""), {
      ...Object.fromEntries(
        known.map(([name, index]) => [name, unformatted(unescaped(cells[index]))]),
      ),
      roleKeys: roles
        // Spreadsheets of Windows end the lines of a cell with two characters.
        .split(/\r?\n/)
        .join(roleSeparator)
        .split(roleSeparator)
        .filter((role) => role !== ""),
    });
  };
}

/** `list` puts an apostrophe before a value that a spreadsheet would take for a formula, or that has one. */
function unescaped(cell = ""): string {
  return cell.replace(/^'(?='*[=+\-@\t\r])/, "");
}

/** `="4009"` is how a spreadsheet is told that a number is text. */
function unformatted(cell: string): string {
  return /^="([^"]*)"$/.exec(cell.trim())?.[1] ?? cell.trim();
}

/** The grants in JSON: ids, objects with ids, responses of ZITADEL, or what `list` writes. */
function fromJson(raw: string, column: string | undefined): Reading[] {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return [`no JSON: ${show(raw)}`];
  }
  return fromValue(value, column);
}

function fromValue(value: unknown, column: string | undefined): Reading[] {
  if (!isRecord(value)) {
    return [toGrant(value)];
  }
  if (Array.isArray(value.result)) {
    return value.result.flatMap((element, index) =>
      fromElement(element, column).map((reading) =>
        typeof reading === "string" ? `result ${index + 1}: ${reading}` : reading,
      ),
    );
  }
  if (isRecord(value.details) && Object.keys(value).length === 1) {
    // A search without results.
    return [];
  }
  return fromElement(isRecord(value.userGrant) ? value.userGrant : value, column);
}

function fromElement(value: unknown, column: string | undefined): Reading[] {
  if (!isRecord(value)) {
    return [toGrant(value)];
  }
  const { grantId = value.grant_id, grant_id: other = grantId } = value;
  if (column === undefined && grantId !== other) {
    return ["grantId and grant_id differ"];
  }
  // In ZITADEL's own form of a grant, the id is called id.
  const isOwn = "projectId" in value || "roleKeys" in value;
  return [
    toGrant(
      column === undefined ? (grantId ?? (isOwn ? value.id : undefined)) : value[column],
      value,
    ),
  ];
}

/** Validates a grant that was read. */
function toGrant(grantId: unknown, known: Readonly<Record<string, unknown>> = {}): Reading {
  if (typeof grantId === "number") {
    return "the grant id is a number: write ids as strings, JSON numbers lose digits";
  }
  const problem = typeof grantId === "string" ? grantIdProblem(grantId) : "it is missing";
  if (problem !== undefined) {
    return `not a grant id: ${show(grantId)} (${problem})`;
  }
  const claimed: Record<string, string | readonly string[]> = {};
  for (const name of claims) {
    const value = known[name];
    if (typeof value === "string" && value !== "") {
      claimed[name] = value;
    }
  }
  if (Array.isArray(known.roleKeys) && known.roleKeys.length > 0) {
    claimed.roleKeys = known.roleKeys.map(String);
  }
  // Without its own copy, an id would keep the text around it in memory.
  const own = Buffer.from(String(grantId)).toString();
  const values = Object.values(claimed).flat();
  if (values.some((value) => value.includes("\ufffd"))) {
    return "it holds bytes that are not UTF-8: save the file as UTF-8, in Excel as CSV UTF-8";
  }
  return values.length === 0 ? { grantId: own } : { grantId: own, claimed };
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

/** Why a text is not a valid user id; undefined if it is valid. */
export function userIdProblem(id: string): string | undefined {
  return idProblem(id);
}

function idProblem(id: string): string | undefined {
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

/**
 * Whether ids look as if Excel had rounded them to 15 digits: 400986363463207974 becomes 400986363463207000.
 * One id in a thousand ends like this by chance; two in a row are unlikely to.
 */
class RoundingCheck {
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
