import { constants, createReadStream, openSync, statSync } from "node:fs";
import { Socket } from "node:net";
import Papa from "papaparse";
import { fileProblem, type Io, UsageError } from "../io.js";
import { show } from "../terminal.js";
import { isRecord } from "./record.js";

/** The text of an input, in chunks, without a byte order mark. */
export interface Content {
  /** For messages: a path, or "standard input". */
  readonly name: string;
  readonly chunks: AsyncIterable<string>;
}

/** How files begin that are not text. */
const signatures: readonly (readonly [string, string])[] = [
  ["504b0304", "a spreadsheet (.xlsx) or a ZIP file: save it as CSV (UTF-8), and give that"],
  ["d0cf11e0", "a spreadsheet (.xls): save it as CSV (UTF-8), and give that"],
  ["1f8b", "compressed: unpack it first"],
  ["25504446", "a PDF file"],
];

/**
 * Opens a file, or standard input for `-`. Detects UTF-8 and UTF-16.
 *
 * @throws UsageError when it cannot be read, or is not text. So do the chunks.
 */
export function openContent(flag: string, path: string, io: Io): Content {
  const name = path === "-" ? "standard input" : path;
  return {
    name,
    chunks: decode(() => (path === "-" ? io.stdin : openFile(path)), flag, name),
  };
}

function openFile(path: string): NodeJS.ReadableStream {
  // A pipe is waited for without a thread, which Ctrl-C could not end.
  return statSync(path).isFIFO()
    ? new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) })
    : createReadStream(path);
}

async function* decode(
  open: () => NodeJS.ReadableStream,
  flag: string,
  name: string,
): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let head: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of open()) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      if (decoder !== undefined) {
        yield decoder.decode(bytes, { stream: true });
        continue;
      }
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      if (head.length >= 1024) {
        decoder = new TextDecoder(encodingOf(head, name));
        yield decoder.decode(head, { stream: true });
      }
    }
  } catch (error) {
    if (error instanceof UsageError) {
      throw error;
    }
    throw new UsageError(`${flag}: ${name} cannot be read: ${fileProblem(error, "read")}.`);
  }
  if (decoder === undefined) {
    yield new TextDecoder(encodingOf(head, name)).decode(head);
  } else {
    yield decoder.decode();
  }
}

/** @throws UsageError when these are the first bytes of something other than text. */
function encodingOf(head: Buffer, name: string): string {
  const hex = head.toString("hex", 0, 4);
  for (const [signature, what] of signatures) {
    if (hex.startsWith(signature)) {
      throw new UsageError(`${name} is ${what}.`);
    }
  }
  if (hex.startsWith("fffe")) {
    return "utf-16le";
  }
  if (hex.startsWith("feff")) {
    return "utf-16be";
  }
  // Without a byte order mark: in UTF-16, every other byte of ids is zero.
  let even = 0;
  let odd = 0;
  for (const [index, byte] of head.subarray(0, 1024).entries()) {
    if (byte === 0) {
      if (index % 2 === 0) {
        even += 1;
      } else {
        odd += 1;
      }
    }
  }
  if (even === 0 && odd === 0) {
    return "utf-8";
  }
  if (even === 0 || odd === 0) {
    return even === 0 ? "utf-16le" : "utf-16be";
  }
  throw new UsageError(
    `${name} is not text: it begins with ${show(head.toString("latin1", 0, 16))}.`,
  );
}

/** What is longer is no list of ids; looking for its end again and again would take minutes. */
const longestLine = 1_000_000;
const longestRow = 4_000_000;

/** Lines with their numbers, from 1. @throws UsageError for a line of more than a million characters. */
export async function* linesOf(
  chunks: AsyncIterable<string>,
): AsyncGenerator<readonly [number, string]> {
  let number = 0;
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      number += 1;
      yield [number, line];
    }
    if (rest.length > longestLine) {
      throw new UsageError(
        `Line ${number + 1} has more than ${longestLine} characters: this is no list of grants.`,
      );
    }
  }
  for (const line of rest.split("\r")) {
    number += 1;
    yield [number, line];
  }
}

/** The beginning of a content, and the complete content. */
export async function peek(
  chunks: AsyncIterable<string>,
  characters: number,
): Promise<{ head: string; all: AsyncIterable<string> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const read: string[] = [];
  let head = "";
  while (head.length < characters) {
    const { done, value } = await iterator.next();
    if (done) {
      break;
    }
    read.push(value);
    head += value;
  }
  async function* all() {
    yield* read.splice(0);
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head, all: all() };
}

export const formats = ["text", "csv", "tsv", "jsonl", "json"] as const;
export type Format = (typeof formats)[number];

/** How much of an input is inspected. */
export const sniffed = 64 * 1024;

/** The format of an input, from its name and its first characters. */
export function formatOf(path: string | undefined, head: string): Format {
  const [, extension = ""] = /\.([a-z]+)$/i.exec(path ?? "") ?? [];
  const start = head.trimStart();
  switch (extension.toLowerCase()) {
    case "csv":
      return "csv";
    case "tsv":
    case "tab":
      return "tsv";
    case "jsonl":
    case "ndjson":
      return start.startsWith("[") ? "json" : "jsonl";
    case "json":
      return isJsonLines(start) ? "jsonl" : "json";
    default:
      return formatOfText(start);
  }
}

function formatOfText(start: string): Format {
  if (start.startsWith("[")) {
    return "json";
  }
  if (start.startsWith("{")) {
    return isJsonLines(start) ? "jsonl" : "json";
  }
  const [first = ""] = start.split(/[\r\n]/, 1);
  if (/^"[^"]*"$/.test(first) && columnNames(first, ",").every((name) => !isGrantColumn(name))) {
    return "jsonl";
  }
  return isCsvHead(first) ? "csv" : "text";
}

/** Whether the first line is a complete JSON value. */
function isJsonLines(start: string): boolean {
  const end = start.search(/[\r\n]/);
  if (end === -1) {
    return false;
  }
  try {
    return isRecord(JSON.parse(start.slice(0, end)));
  } catch {
    return false;
  }
}

const delimiters = [",", ";", "\t", "|"];

function isCsvHead(line: string): boolean {
  return (
    /^sep=.$/i.test(line) ||
    delimiters.some((delimiter) => columnNames(line, delimiter).some(isGrantColumn))
  );
}

/**
 * The delimiter of a CSV, from its first line: the one that yields a known column, or the most frequent one.
 */
export function delimiterOf(line: string, wanted: readonly string[]): string {
  const isWanted = (name: string) => isGrantColumn(name) || wanted.includes(name);
  const known = delimiters.filter((delimiter) => columnNames(line, delimiter).some(isWanted));
  const candidates = known.length > 0 ? known : delimiters;
  return candidates.reduce((best, delimiter) =>
    columnNames(line, delimiter).length > columnNames(line, best).length ? delimiter : best,
  );
}

function columnNames(line: string, delimiter: string): string[] {
  // A quoted name may contain the delimiter.
  const parts = line.match(/"(?:[^"]|"")*"|[^"]+/g) ?? [];
  const marked = parts
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll(delimiter, "\0") : part))
    .join("");
  return marked.split(delimiter).map((name) => name.replaceAll("\0", delimiter).trim());
}

export function isGrantColumn(name: string): boolean {
  return plainName(name) === "grantid" || plainName(name) === "usergrantid";
}

/** "Grant ID", "grant_id" and "grantId" are the same name. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_-]/g, "");
}

export interface CsvRow {
  /** The line on which it begins: a quoted cell may contain line breaks. */
  readonly number: number;
  readonly cells: readonly string[];
}

/** The size of a parsed batch: large enough to be fast, small enough for the memory. */
const batchCharacters = 256 * 1024;

/**
 * The non-empty rows of a CSV, in batches.
 *
 * @param wanted names of columns from which the delimiter is detected.
 * @param delimiter if it is known.
 * @throws UsageError for an unclosed quote.
 */
export async function* csvRows(
  chunks: AsyncIterable<string>,
  wanted: readonly string[],
  delimiter?: string,
): AsyncGenerator<CsvRow[]> {
  let number = 1;
  let known = delimiter;
  let buffer = "";
  const parse = (text: string) => {
    let content = text;
    if (known === undefined || number === 1) {
      const [first = ""] = content.split(/[\r\n]/, 1);
      const [, separator] = /^sep=(.)$/i.exec(first) ?? [];
      if (separator !== undefined) {
        known = separator;
        content = content.slice(first.length).replace(/^(\r\n|\n|\r)/, "");
        number += 1;
      }
      known ??= delimiterOf(first, wanted);
    }
    const rows = parseBatch(content, known, number);
    number = rows.next;
    return rows.filled;
  };
  for await (const chunk of chunks) {
    buffer += chunk;
    if (buffer.length >= batchCharacters) {
      const end = lastRowEnd(buffer);
      if (end > 0) {
        yield parse(buffer.slice(0, end));
        buffer = buffer.slice(end);
      } else if (buffer.length > longestRow) {
        throw new UsageError(
          `The row that begins in line ${number} has more than ${longestRow} characters: is a quote not closed?`,
        );
      }
    }
  }
  yield parse(buffer);
}

/** Where the last complete row ends; 0 if a quoted cell is open there. */
function lastRowEnd(text: string): number {
  const end = text.lastIndexOf("\n") + 1;
  let quotes = 0;
  for (let at = text.indexOf('"'); at !== -1 && at < end; at = text.indexOf('"', at + 1)) {
    quotes += 1;
  }
  return quotes % 2 === 0 ? end : 0;
}

function parseBatch(content: string, delimiter: string, from: number) {
  const filled: CsvRow[] = [];
  let next = from;
  let position = 0;
  Papa.parse<string[]>(content, {
    delimiter,
    step: ({ data, errors, meta }) => {
      if (errors[0]?.type === "Quotes") {
        throw new UsageError(`The CSV cannot be read from line ${next} on: ${errors[0].message}.`);
      }
      if (data.some((cell) => cell.trim() !== "")) {
        filled.push({ number: next, cells: data });
      }
      next += content.slice(position, meta.cursor).split(/\r\n|\n|\r/).length - 1;
      position = meta.cursor;
    },
  });
  return { filled, next };
}

/** Which column is meant. @throws UsageError when there is no such column, or more than one. */
export function columnIndex(
  columns: readonly string[],
  flag: string,
  asked: string | undefined,
  isUsual: (name: string) => boolean,
  usual: string,
): number {
  const isMeant = (name: string) => (asked === undefined ? isUsual(name) : name === asked);
  const [index, other] = columns.flatMap((name, at) => (isMeant(name) ? [at] : []));
  const shown = (names: readonly string[]) =>
    `${names.slice(0, mostColumns).map(show).join(", ")}${names.length > mostColumns ? ` and ${names.length - mostColumns} more` : ""}`;
  if (index === undefined) {
    throw new UsageError(
      `The CSV has no column ${asked === undefined ? usual : show(asked)}: name one with --${flag}. It has: ${shown(columns)}.`,
    );
  }
  if (other !== undefined) {
    throw new UsageError(
      `The CSV has several columns of ids: ${shown(columns.filter(isMeant))}. Name the one that is meant with --${flag}, or remove the other.`,
    );
  }
  return index;
}

const mostColumns = 10;

/** More of it would not fit in a string, let alone in memory. */
const longestJson = 256_000_000;

/**
 * The values of a JSON text: the elements of an array, or consecutive values, each of which begins a line.
 *
 * @throws UsageError for text that is not JSON, with the line.
 */
export async function jsonValues(chunks: AsyncIterable<string>, name: string): Promise<unknown[]> {
  let text = "";
  for await (const chunk of chunks) {
    text += chunk;
    if (text.length > longestJson) {
      throw new UsageError(`${name} is too long for one JSON text: give JSON Lines.`);
    }
  }
  const whole = parsed(text);
  if (!("problem" in whole)) {
    return Array.isArray(whole.value) ? whole.value : [whole.value];
  }
  let line = 1;
  const values: unknown[] = [];
  for (const part of text.split(/\n(?=[[{"])/)) {
    const one = parsed(part);
    if ("problem" in one) {
      const at = values.length === 0 ? whole.line : line + one.line - 1;
      throw new UsageError(`Nothing was sent: ${name}, line ${at}: no JSON: ${show(part)}`);
    }
    line += part.split("\n").length;
    values.push(...(Array.isArray(one.value) ? one.value : [one.value]));
  }
  return values;
}

function parsed(
  text: string,
): { readonly value: unknown } | { readonly problem: true; readonly line: number } {
  try {
    return { value: text.trim() === "" ? [] : JSON.parse(text) };
  } catch (error) {
    // V8 says where it is; other engines do not.
    const [, position] = /position (\d+)/.exec((error as Error).message) ?? [];
    const before = position === undefined ? text : text.slice(0, Number(position));
    return { problem: true, line: before.trimEnd().split("\n").length };
  }
}
