import Papa from "papaparse";
import { UsageError } from "../io.js";
import { delimiterOf } from "./format.js";
import { show } from "./ids.js";

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

/** Which column is meant. @throws UsageError when there is no such column. */
export function columnIndex(
  columns: readonly string[],
  flag: string,
  asked: string | undefined,
  isUsual: (name: string) => boolean,
  usual: string,
): number {
  const index =
    asked === undefined ? columns.findIndex((column) => isUsual(column)) : columns.indexOf(asked);
  if (index === -1) {
    throw new UsageError(
      `The CSV has no column ${asked === undefined ? usual : show(asked)}: name one with --${flag}. It has: ${columns.map(show).join(", ")}.`,
    );
  }
  return index;
}
