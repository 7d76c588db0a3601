import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import Papa from "papaparse";
import type { UserGrant } from "../bulk/index.js";
import { type Io, UsageError } from "./io.js";

export const formats = ["text", "csv", "jsonl"] as const;
export type Format = (typeof formats)[number];

/** A grant as the input names it. A removal needs no user. */
export type InputGrant = UserGrant;

export interface InputFlags {
  readonly file?: string | undefined;
  readonly format?: Format | undefined;
  readonly column?: string | undefined;
  readonly userColumn?: string | undefined;
}

/** Lines that are refused are named up to this number. */
const mostProblems = 10;
const idPattern = /^[^\s,;"'/]{1,200}$/;

/**
 * Reads the grants from arguments, a file or standard input, as a whole: a list with a bad line is
 * refused before anything is sent.
 *
 * @returns each grant once, in the order of the input.
 * @throws UsageError naming the lines that are no grants.
 */
export async function readGrants(
  args: readonly string[],
  flags: InputFlags,
  withUser: boolean,
  io: Io,
): Promise<InputGrant[]> {
  const problems: string[] = [];
  const grants = new Map<string, InputGrant>();
  const add = (where: string, grant: InputGrant | string) => {
    if (typeof grant === "string") {
      problems.push(`${where}: ${grant}`);
    } else if (!grants.has(grant.grantId)) {
      grants.set(grant.grantId, grant);
    }
  };
  if (args.length > 0) {
    if (flags.file !== undefined) {
      throw new UsageError("Give ids as arguments or in a --file, not both.");
    }
    for (const [index, argument] of args.entries()) {
      add(`argument ${index + 1}`, parseText(argument, withUser));
    }
  } else {
    const content = await readContent(flags.file, io);
    const name = flags.file === undefined || flags.file === "-" ? "standard input" : flags.file;
    const readers = { text: readText, csv: readCsv, jsonl: readJsonLines };
    const format = flags.format ?? formatOf(flags.file);
    for (const [number, grant] of readers[format](content, withUser, flags)) {
      add(`${name}, line ${number}`, grant);
    }
  }
  if (problems.length > 0) {
    const more = problems.length - mostProblems;
    throw new UsageError(
      [
        "Nothing was sent, since some of the input is no grant:",
        ...problems.slice(0, mostProblems).map((problem) => `  ${problem}`),
        ...(more > 0 ? [`  and ${more} more`] : []),
      ].join("\n"),
    );
  }
  return [...grants.values()];
}

async function readContent(file: string | undefined, io: Io): Promise<string> {
  if (file === undefined || file === "-") {
    return withoutMark(await text(io.stdin));
  }
  try {
    return withoutMark(await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`--file: ${(error as Error).message}`);
  }
}

/** Without the byte order mark that spreadsheets put before a text. */
function withoutMark(content: string): string {
  return content.replace(/^\ufeff/, "");
}

function formatOf(file: string | undefined): Format {
  return /\.csv$/i.test(file ?? "")
    ? "csv"
    : /\.(?:jsonl|ndjson)$/i.test(file ?? "")
      ? "jsonl"
      : "text";
}

type Lines = Iterable<readonly [number, InputGrant | string]>;

/** One grant a line; empty lines and those that begin with # are passed over. */
function* readText(content: string, withUser: boolean): Lines {
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    const text = raw.trim();
    if (text !== "" && !text.startsWith("#")) {
      yield [index + 1, parseText(text, withUser)];
    }
  }
}

function parseText(text: string, withUser: boolean): InputGrant | string {
  if (!withUser) {
    return toGrant("", text, false);
  }
  const [userId, grantId, ...rest] = text.split(/[\s/]+/);
  return grantId === undefined || rest.length > 0
    ? `a user id and a grant id are needed, as in "<user id>/<grant id>"; got ${show(text)}`
    : toGrant(userId, grantId, true);
}

function* readCsv(content: string, withUser: boolean, flags: InputFlags): Lines {
  const [head, ...rows] = csvRows(content);
  const columns = (head?.cells ?? []).map((column) => column.trim());
  const find = (flag: string, asked: string | undefined, usual: readonly string[]) => {
    const index =
      asked === undefined
        ? columns.findIndex((column) => usual.includes(column))
        : columns.indexOf(asked);
    if (index === -1) {
      throw new UsageError(
        `The CSV has no column ${asked === undefined ? usual.join(" or ") : show(asked)}: name one with --${flag}. It has: ${columns.map(show).join(", ")}.`,
      );
    }
    return index;
  };
  const grantColumn = find("column", flags.column, ["grantId", "grant_id"]);
  const userColumn = withUser ? find("user-column", flags.userColumn, ["userId", "user_id"]) : -1;
  for (const { number, cells } of rows) {
    yield [
      number,
      cells.length === columns.length
        ? toGrant(cells[userColumn]?.trim(), cells[grantColumn]?.trim(), withUser)
        : `has ${cells.length} cells, and the first line has ${columns.length}`,
    ];
  }
}

/** The rows that are not empty, with the lines on which they begin: a quoted cell may hold line breaks. */
function csvRows(content: string): { number: number; cells: string[] }[] {
  const rows: { number: number; cells: string[] }[] = [];
  let from = 0;
  let number = 1;
  Papa.parse<string[]>(content, {
    step: ({ data, errors, meta }) => {
      if (errors.length > 0 && errors[0]?.type === "Quotes") {
        throw new UsageError(
          `The CSV cannot be read from line ${number} on: ${errors[0].message}.`,
        );
      }
      if (data.some((cell) => cell.trim() !== "")) {
        rows.push({ number, cells: data });
      }
      number += content.slice(from, meta.cursor).split(/\r\n|\n|\r/).length - 1;
      from = meta.cursor;
    },
  });
  return rows;
}

/** Ids as JSON strings, or objects with `grantId` (and `userId`), such as the outcomes of `--json`. */
function* readJsonLines(content: string, withUser: boolean, flags: InputFlags): Lines {
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    if (raw.trim() === "") {
      continue;
    }
    yield [index + 1, parseJson(raw, withUser, flags)];
  }
}

function parseJson(raw: string, withUser: boolean, flags: InputFlags): InputGrant | string {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return `no JSON: ${show(raw)}`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = value as Record<string, unknown>;
    return toGrant(
      fields[flags.userColumn ?? "userId"],
      fields[flags.column ?? "grantId"],
      withUser,
    );
  }
  return withUser
    ? `an object with userId and grantId is needed; got ${show(raw)}`
    : toGrant("", value, false);
}

function toGrant(userId: unknown, grantId: unknown, withUser: boolean): InputGrant | string {
  for (const [name, id] of [
    ["grant id", grantId],
    ...(withUser ? ([["user id", userId]] as const) : []),
  ] as const) {
    if (typeof id === "number") {
      return `the ${name} is a number: write ids as strings, JSON numbers lose digits`;
    }
    if (typeof id !== "string" || !idPattern.test(id)) {
      return `no ${name}: ${show(id)}`;
    }
  }
  return { userId: withUser ? String(userId) : "", grantId: String(grantId) };
}

function show(value: unknown): string {
  const text =
    typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
