import { createReadStream } from "node:fs";
import { fileProblem } from "../file-problem.js";
import { type Io, UsageError } from "../io.js";
import { show } from "./ids.js";

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
  const isStdin = path === "-";
  const bytes = isStdin ? io.stdin : createReadStream(path);
  return {
    name: isStdin ? "standard input" : path,
    chunks: decode(
      bytes as AsyncIterable<Buffer | string>,
      flag,
      isStdin ? "standard input" : path,
    ),
  };
}

async function* decode(
  source: AsyncIterable<Buffer | string>,
  flag: string,
  name: string,
): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let head: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of source) {
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

/** Lines with their numbers, from 1. */
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
