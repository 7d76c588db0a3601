import { type Io, line, UsageError } from "../io.js";
import { roleSeparator } from "../list-output.js";
import type { LoggedGrant } from "../log/entry.js";
import { counted } from "../printable.js";
import { type Content, linesOf, openContent, peek } from "./content.js";
import { columnIndex, csvRows } from "./csv.js";
import { type Format, formatOf, isGrantColumn, isUserColumn, sniffed } from "./format.js";
import { type ColumnNames, fromJson, type Reading, toGrant } from "./grant.js";
import { RoundingCheck, show } from "./ids.js";
import { jsonPieces } from "./json.js";

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
