import { isRecord } from "../grant-record.js";

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

export function isUserColumn(name: string): boolean {
  return plainName(name) === "userid";
}

/** "Grant ID", "grant_id" and "grantId" are the same name. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_-]/g, "");
}
