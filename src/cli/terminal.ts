import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { formulaStart, roleSeparator } from "./grants/record.js";
import { Ended, exitCode, type Io, type Output, UsageError, writeAll } from "./io.js";
import type { LoggedCommand } from "./log/entry.js";

/** Control characters, invisible ones, and those that change the direction of text. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

/** Text of a server or a file in a form that is safe to show. */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** JSON on one line, with the same characters escaped: it reads the same, and is safe to show. */
export function jsonText(value: unknown): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(unsafe, (character) =>
    character.split("").map(escaped).join(""),
  );
}

/** How many columns of a terminal a text takes: East Asian characters and emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    columns += wide.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  }
  return columns;
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

/** A text of exactly this many columns: padded with spaces, or truncated with an ellipsis. */
function toWidth(text: string, columns: number): string {
  if (columnsOf(text) <= columns) {
    return text + " ".repeat(columns - columnsOf(text));
  }
  const cut = Array.from(text).slice(0, columns);
  while (columnsOf(cut.join("")) >= columns) {
    cut.pop();
  }
  return toWidth(`${cut.join("")}…`, columns);
}

/** 1234567 as "1,234,567". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** "1 grant", "1,200 grants". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** The first of many lines, and how many more there are. */
export function firstOf(lines: readonly string[], most = 10): readonly string[] {
  const more = lines.length - most;
  return more > 0 ? [...lines.slice(0, most), `and ${grouped(more)} more`] : lines;
}

const formats = {
  danger: ["bold", "red"],
  failed: ["red"],
  warn: ["yellow"],
  strong: ["bold"],
} as const;

/** Text in the color of its meaning, where colors are wanted and shown. */
export function paint(output: Output, meaning: keyof typeof formats, text: string): string {
  return output.isColored
    ? styleText([...formats[meaning]], text, { validateStream: false })
    : text;
}

export interface TableColumn<Row> {
  readonly title: string;
  readonly show: (row: Row) => string;
  /** Never truncated, so that it can be copied. */
  readonly whole?: boolean;
  /** Left out where the width is short, the last one first. */
  readonly spare?: boolean;
}

/** By so many rows the widths of a table are chosen, and so many characters are written at once. */
const measuredRows = 500;
const chunkLength = 1 << 16;
const gap = 2;
const readableWidth = 16;
const leastWidth = 8;

/**
 * A table that fits the width, by the rows that are known at first: columns are truncated as long as they can be
 * read, then left out, then truncated further.
 */
export function createTable<Row>(
  columns: readonly TableColumn<Row>[],
  first: readonly Row[],
  width: number,
): { readonly head: string; readonly row: (row: Row) => string } {
  let shown = columns.map((column) => ({
    ...column,
    width: Math.max(
      ...[column.title, ...first.map((row) => printable(column.show(row)))].map(columnsOf),
    ),
  }));
  const excess = () =>
    shown.reduce((sum, column) => sum + column.width, gap * (shown.length - 1)) - width;
  const widestOver = (least: number) =>
    shown
      .filter((column) => !column.whole && column.width > least)
      .toSorted((a, b) => b.width - a.width)[0];
  while (excess() > 0) {
    const spare = shown.filter((column) => column.spare).at(-1);
    const cut = widestOver(spare === undefined ? leastWidth : readableWidth);
    if (cut !== undefined) {
      cut.width -= 1;
    } else if (spare !== undefined) {
      shown = shown.filter((column) => column !== spare);
    } else {
      break;
    }
  }
  const joined = (cellOf: (column: TableColumn<Row>) => string) =>
    shown
      .map((column) => {
        const cell = cellOf(column);
        return toWidth(cell, Math.max(column.width, column.whole ? columnsOf(cell) : 0));
      })
      .join(" ".repeat(gap))
      .trimEnd();
  return {
    head: joined(({ title }) => title),
    row: (row) => joined((column) => printable(column.show(row))),
  };
}

/** The rows of a table, one a line, with its titles. */
export async function* tableLines<Row>(
  columns: readonly TableColumn<Row>[],
  rows: AsyncIterable<Row>,
  width: number,
): AsyncGenerator<string> {
  const first: Row[] = [];
  const iterator = rows[Symbol.asyncIterator]();
  let next = await iterator.next();
  for (; !next.done && first.length < measuredRows; next = await iterator.next()) {
    first.push(next.value);
  }
  const { head, row } = createTable(columns, first, width);
  yield [head, ...first.map(row), ""].join("\n");
  for (; !next.done; next = await iterator.next()) {
    yield `${row(next.value)}\n`;
  }
}

/** JSON Lines. */
export async function* jsonLines(rows: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const row of rows) {
    yield `${jsonText(row)}\n`;
  }
}

/**
 * CSV with its titles. Roles are lines of one cell.
 *
 * @param shown the form of a text: `printable` where it may come to a terminal.
 */
export async function* csvLines<Name extends string>(
  columns: readonly Name[],
  rows: AsyncIterable<{ readonly [N in Name]?: string | readonly string[] | undefined }>,
  shown: (text: string) => string,
): AsyncGenerator<string> {
  yield `${columns.join(",")}\r\n`;
  for await (const row of rows) {
    const texts = columns.map((name) => [row[name] ?? ""].flat().map(shown).join(roleSeparator));
    yield `${texts.map(csvCell).join(",")}\r\n`;
  }
}

/** What a spreadsheet would take for a formula begins with an apostrophe. */
function csvCell(text: string): string {
  const cell = formulaStart.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** Writes texts as they come, many at once, and no faster than the reader takes them. */
export async function writeTexts(texts: AsyncIterable<string>, io: Io): Promise<void> {
  let chunk = "";
  for await (const text of texts) {
    chunk += text;
    if (chunk.length >= chunkLength) {
      await writeAll(io, chunk);
      chunk = "";
    }
  }
  await writeAll(io, chunk);
}

/** From this many grants on, a y typed out of habit is not enough. */
const typedFrom = 100;

/** The flags of a command that asks before it changes something. */
export interface AskFlags {
  readonly yes?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

/**
 * Asks for confirmation, unless `--yes` was given: by y, or by typing the number of grants if there are many.
 *
 * @throws Ended at any other answer.
 */
export async function confirm(
  command: LoggedCommand | "restore",
  count: number,
  { yes }: AskFlags,
  io: Io,
): Promise<void> {
  if (yes) {
    return;
  }
  const name = { remove: "Remove", deactivate: "Deactivate", restore: "Restore" }[command];
  const verb = paint(io.stderr, command === "restore" ? "strong" : "danger", name);
  const isMany = count >= typedFrom;
  const how = isMany ? "Type the number of grants to go ahead:" : "[y/N]";
  const answer = await ask(`${verb} ${counted(count, "grant")}? ${how} `, io);
  const isConfirmed = isMany
    ? answer.replaceAll(/[,.'\s]/g, "") === String(count)
    : /^y(?:es)?$/i.test(answer);
  if (!isConfirmed) {
    throw new Ended(exitCode.stopped, "Nothing was done.");
  }
}

/** @throws UsageError when there is no terminal to ask on, or nothing to ask about, and `--yes` was not given. */
export function checkCanAsk({ yes, quiet }: AskFlags, io: Io): void {
  if (quiet && !yes) {
    throw new UsageError("--quiet needs --yes: it would hide what the question is about.");
  }
  if (!yes && (!io.stdin.isTTY || !io.stderr.isTTY)) {
    throw new UsageError(
      "Nothing was done: there is no terminal, so there is no way to ask. Add --yes to go ahead.",
    );
  }
}

/** Asks on the terminal. The answer is "" after Ctrl-C, and at the end of the input. */
async function ask(question: string, io: Io): Promise<string> {
  const left = new AbortController();
  const terminal = createInterface({
    input: io.stdin,
    output: io.stderr as NodeJS.WritableStream,
    terminal: true,
  });
  // As at Ctrl-C.
  terminal.on("close", () => left.abort());
  const stopListening = io.onInterrupt(() => terminal.close());
  try {
    return (await terminal.question(question, { signal: left.signal })).trim();
  } catch (error) {
    if (left.signal.aborted) {
      io.stderr.write("\n");
      return "";
    }
    throw error;
  } finally {
    stopListening();
    terminal.close();
  }
}

/** A rejected value in a form that may be shown. */
export function show(value: unknown): string {
  const text =
    typeof value === "string"
      ? printable(JSON.stringify(value.slice(0, 100)))
      : typeof value === "object" && value !== null
        ? `an ${Array.isArray(value) ? "array" : "object"}`
        : String(value ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Quoted for a shell, if needed. */
export function quoted(path: string): string {
  return /^[\w./:@%+,=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
