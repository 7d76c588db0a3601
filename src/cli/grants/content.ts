import { constants, createReadStream, openSync, statSync } from "node:fs";
import { Socket } from "node:net";
import { fileProblem, type Io, pipedInput, UsageError } from "../io.js";
import { show } from "../terminal.js";

/**
 * A line, or a row of cells, with the number of the line on which it begins. An object of a class, and no literal:
 * those of a busy place V8 may put into its old space, with all that they refer to. Reading 100,000 rows took
 * 250 MB then, in place of 115.
 */
export class Numbered<T> {
  readonly number: number;
  readonly value: T;

  constructor(number: number, value: T) {
    this.number = number;
    this.value = value;
  }
}

export type Line = Numbered<string>;
export type CsvRow = Numbered<readonly string[]>;

/** The text of an input. */
export interface Content {
  /** For messages: a path, or "standard input". */
  readonly name: string;
  /** The first line that is neither empty nor a comment, as "# 4 leavers, 2 movers". */
  readonly first: string;
  /** That line and all after it. */
  readonly lines: AsyncIterable<Line>;
}

/** What is longer would not fit in a string, let alone in memory. */
const longestText = 256_000_000;

/**
 * Opens a file, or standard input for `-`: UTF-8, or UTF-16 with a byte order mark.
 *
 * @throws UsageError when it cannot be read, or is not text. So do its lines.
 */
export async function openContent(path: string, io: Io): Promise<Content> {
  const name = path === "-" ? "standard input" : path;
  const open = () => (path === "-" ? pipedInput(io) : openFile(path));
  const rest = linesOf(decode(open, name), name);
  let start: IteratorResult<Line, void>;
  do {
    start = await rest.next();
  } while (!start.done && /^\s*(?:#(?:\s.*)?)?$/.test(start.value.value));
  async function* lines() {
    if (!start.done) {
      yield start.value;
    }
    yield* rest;
  }
  return { name, first: start.done ? "" : start.value.value.trim(), lines: lines() };
}

function openFile(path: string): NodeJS.ReadableStream {
  // A pipe is waited for without a thread, which Ctrl-C could not end.
  return statSync(path).isFIFO()
    ? new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) })
    : createReadStream(path);
}

async function* decode(open: () => NodeJS.ReadableStream, name: string): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let bytes: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of open()) {
      bytes = Buffer.concat([bytes, Buffer.from(chunk)]);
      if (decoder !== undefined || bytes.length >= 4) {
        decoder ??= new TextDecoder(encodingOf(bytes, name));
        yield decoder.decode(bytes, { stream: true });
        bytes = Buffer.alloc(0);
      }
    }
  } catch (error) {
    if (error instanceof UsageError) {
      throw error;
    }
    throw new UsageError(`${name} cannot be read: ${fileProblem(error)}.`);
  }
  decoder ??= new TextDecoder(encodingOf(bytes, name));
  yield decoder.decode(bytes);
}

/** @throws UsageError when these are the first bytes of something other than text. */
function encodingOf(head: Buffer, name: string): string {
  const hex = head.toString("hex", 0, 4);
  if (hex === "504b0304" || hex === "d0cf11e0") {
    throw new UsageError(
      `${name} is a spreadsheet (.xlsx or .xls): save it as CSV (UTF-8), and give that.`,
    );
  }
  if (hex.startsWith("fffe")) {
    return "utf-16le";
  }
  if (hex.startsWith("feff")) {
    return "utf-16be";
  }
  if (head.includes(0)) {
    throw new UsageError(
      `${name} is not text in UTF-8, nor in UTF-16 with a byte order mark: it begins with ${show(head.toString("latin1", 0, 16))}.`,
    );
  }
  return "utf-8";
}

async function* linesOf(chunks: AsyncIterable<string>, name: string): AsyncGenerator<Line, void> {
  let number = 1;
  let text = "";
  // A line break of two characters may be split.
  let held = "";
  for await (const chunk of chunks) {
    const next = held + chunk;
    held = next.endsWith("\r") ? "\r" : "";
    const [end = "", ...lines] = next.slice(0, next.length - held.length).split(/\r\n|\n|\r/);
    text += end;
    for (const line of lines) {
      yield new Numbered(number, text);
      number += 1;
      text = line;
    }
    if (text.length > longestText) {
      throw new UsageError(`${name}, line ${number} has more than ${longestText} characters.`);
    }
  }
  yield new Numbered(number, text);
}

/** What is longer has a quote that is not closed. */
const longestRow = 4_000_000;

/**
 * The rows of a CSV that are not empty. The delimiter is that of the first one: comma, semicolon or tab.
 *
 * @throws UsageError for an unclosed quote.
 */
export async function* csvRows(lines: AsyncIterable<Line>): AsyncGenerator<CsvRow> {
  let delimiter: string | undefined;
  let from = 0;
  let row = "";
  let isOpen = false;
  for await (const { number, value: line } of lines) {
    from = isOpen ? from : number;
    row = isOpen ? `${row}\n${line}` : line;
    isOpen = isOpen !== hasOpenQuote(line);
    if (isOpen && row.length > longestRow) {
      break;
    }
    if (!isOpen) {
      delimiter ??= delimiterOf(row);
      const cells = cellsOf(row, delimiter);
      if (cells.some((cell) => cell.trim() !== "")) {
        yield new Numbered(from, cells);
      }
    }
  }
  if (isOpen) {
    throw new UsageError(
      `The CSV cannot be read from line ${from} on: a quote is opened there, and not closed.`,
    );
  }
}

function hasOpenQuote(text: string): boolean {
  return (text.match(/"/g)?.length ?? 0) % 2 === 1;
}

function delimiterOf(head: string): string {
  const count = (delimiter: string) => cellsOf(head, delimiter).length;
  return [",", ";", "\t"].reduce((best, other) => (count(other) > count(best) ? other : best));
}

/** A delimiter between quotes belongs to the cell: what was split there is joined, in place. */
function cellsOf(row: string, delimiter: string): string[] {
  const cells = row.split(delimiter);
  let count = 0;
  let cell = "";
  let isOpen = false;
  for (const part of cells) {
    cell = isOpen ? cell + delimiter + part : part;
    isOpen = isOpen !== hasOpenQuote(part);
    if (!isOpen) {
      cells[count] = /^\s*"/.test(cell) ? cell.trim().slice(1, -1).replaceAll('""', '"') : cell;
      count += 1;
    }
  }
  cells.length = count;
  return cells;
}

/**
 * The texts of JSON values, with the lines on which they begin: JSON Lines, or values one after the other, each
 * of which begins a line. What begins with a bracket is one array.
 */
export async function* jsonTexts({ name, first, lines }: Content): AsyncGenerator<Line> {
  const isArray = first.startsWith("[");
  let from = 0;
  let text = "";
  for await (const { number, value: line } of lines) {
    if (text !== "" && !isArray && line !== "" && !/^[\s}\]]/.test(line)) {
      yield new Numbered(from, text);
      text = "";
    }
    if (text !== "" || line.trim() !== "") {
      from = text === "" ? number : from;
      text += `${line}\n`;
    }
    if (text.length > longestText) {
      throw new UsageError(`${name} is too long for one JSON text: give JSON Lines.`);
    }
  }
  if (text !== "") {
    yield new Numbered(from, text);
  }
}
