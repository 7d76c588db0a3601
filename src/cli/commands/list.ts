import { ConnectError } from "@connectrpc/connect";
import Papa from "papaparse";
import { connectionFlags, connectionNote, readConnection } from "../connect.js";
import { explain } from "../explain.js";
import { type Command, type FlagTable, noArguments, oneOf, parseFlags } from "../flags.js";
import { createLookup } from "../grants/lookup.js";
import { formulaStart, type GrantRecord, personOf, roleSeparator } from "../grants/record.js";
import { type SelectionEnd, selectGrants } from "../grants/select.js";
import { readSelectors, selectorFlags, selectorNote } from "../grants/selectors.js";
import { exitCode, type Io, line, OutputClosed, writeAll } from "../io.js";
import { lookupTurns, rateFlags, readRate } from "../pace.js";
import { columnsOf, counted, printable, toWidth } from "../terminal.js";

const listOutputs = ["table", "csv", "jsonl"] as const;
type ListOutput = (typeof listOutputs)[number];

const outputFlags = {
  output: {
    type: "string",
    values: listOutputs,
    help: "table on a terminal by default, csv elsewhere; csv and jsonl contain everything known about a grant, and remove --file accepts them",
  },
  quiet: { type: "boolean", short: "q", help: "do not report the number of grants" },
} as const satisfies FlagTable;

/** The command `list`. */
export const list: Command = {
  name: "list",
  summary: "list grants by user, project, role and more",
  description:
    "Lists the grants of an organization: all of them, or those that the flags select. They are written as they are read. Changes nothing.",
  examples: [
    "zitadel-user-grants list --project Billing --role admin",
    "zitadel-user-grants list --email jane@example.com --output csv > plan.csv",
    "zitadel-user-grants remove --file plan.csv",
  ],
  groups: [
    { title: "Grants", flags: selectorFlags, note: selectorNote },
    { title: "Output", flags: outputFlags },
    { title: "Pace", flags: rateFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  run: runList,
};

/** How many grants are written at a time. */
const chunk = 500;

async function runList(args: readonly string[], io: Io): Promise<number> {
  const flags = { ...selectorFlags, ...outputFlags, ...rateFlags, ...connectionFlags };
  const { values, positionals } = parseFlags(args, flags);
  noArguments("list", positionals);
  const output = oneOf("--output", values.output, listOutputs);
  const selectors = await readSelectors(values, io);
  const connection = await readConnection(values, io);
  const rate = readRate(values.rate, connection.baseUrl);
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const writer = grantWriter(
    output ?? (io.stdout.isTTY ? "table" : "csv"),
    io.stdout.columns ?? 120,
  );
  let count = 0;
  let end: SelectionEnd;
  try {
    const selection = selectGrants(lookup, selectors);
    end = await writeGrants(selection, writer, io, (written) => {
      count += written;
    });
  } catch (error) {
    if (error instanceof OutputClosed) {
      return exitCode.done;
    }
    if (stop.signal.aborted) {
      line(io.stderr, `Stopped after ${counted(count, "grant")}: the list is incomplete.`);
      return exitCode.stopped;
    }
    if (error instanceof ConnectError) {
      line(io.stderr, explain(error));
      line(io.stderr, "The list is incomplete. zitadel-user-grants doctor finds out more.");
      return exitCode.aborted;
    }
    throw error;
  } finally {
    stopListening();
  }
  if (!values.quiet) {
    line(io.stderr, `${counted(count, "grant")}.`);
  }
  for (const value of end.unmatched) {
    line(io.stderr, `Not matched: ${printable(value)}`);
  }
  if (end.unstable) {
    line(
      io.stderr,
      "Grants were added or removed while they were read: the list may be incomplete.",
    );
    return exitCode.incomplete;
  }
  return exitCode.done;
}

/** Writes grants as they arrive, no faster than the reader reads them. */
async function writeGrants(
  selection: AsyncGenerator<GrantRecord, SelectionEnd>,
  writer: GrantWriter,
  io: Io,
  onWritten: (count: number) => void,
): Promise<SelectionEnd> {
  let waiting: GrantRecord[] = [];
  let started = false;
  const flush = async () => {
    const text =
      (started ? "" : writer.start(waiting)) + (waiting.length > 0 ? writer.grants(waiting) : "");
    started = true;
    onWritten(waiting.length);
    waiting = [];
    await writeAll(io, text);
  };
  for (;;) {
    const { done, value } = await selection.next();
    if (done) {
      await flush();
      return value;
    }
    waiting.push(value);
    if (waiting.length >= chunk) {
      await flush();
    }
  }
}

/** Formats grants as they are read. */
export interface GrantWriter {
  /** Text before the first grant. */
  readonly start: (firstGrants: readonly GrantRecord[]) => string;
  readonly grants: (grants: readonly GrantRecord[]) => string;
}

/** The columns of the CSV: everything that a search returns. `remove --file` reads them. */
const csvColumns = [
  "grantId",
  "userId",
  "state",
  "roleKeys",
  "projectId",
  "projectName",
  "projectGrantId",
  "displayName",
  "email",
  "preferredLoginName",
  "userName",
  "firstName",
  "lastName",
  "userType",
  "orgId",
  "orgName",
  "orgDomain",
  "grantedOrgId",
  "grantedOrgName",
  "grantedOrgDomain",
  "creationDate",
  "changeDate",
  "sequence",
  "resourceOwner",
] as const satisfies readonly (keyof GrantRecord)[];

export function grantWriter(output: ListOutput, columns: number): GrantWriter {
  switch (output) {
    case "csv":
      return {
        start: () => `${csvColumns.join(",")}\r\n`,
        grants: (grants) =>
          `${Papa.unparse(grants.map(toCells), { escapeFormulae: formulaStart })}\r\n`,
      };
    case "jsonl":
      return {
        start: () => "",
        grants: (grants) => grants.map((grant) => `${JSON.stringify(grant)}\n`).join(""),
      };
    default:
      return tableWriter(columns);
  }
}

function toCells(grant: GrantRecord): string[] {
  return csvColumns.map((column) => {
    const value = grant[column];
    return typeof value === "string" ? value : (value?.join(roleSeparator) ?? "");
  });
}

/** The title and content of each column. The last ones are never truncated, so that ids can be copied. */
const tableColumns: readonly (readonly [string, (grant: GrantRecord) => string])[] = [
  ["USER", personOf],
  ["PROJECT", ({ projectName, projectId }) => projectName ?? projectId],
  ["ROLES", ({ roleKeys }) => roleKeys.join(", ")],
  ["STATE", ({ state }) => state],
  ["USER ID", ({ userId }) => userId],
  ["GRANT ID", ({ grantId }) => grantId],
];
const cuttable = 3;

function tableWriter(columns: number): GrantWriter {
  let widths: number[] = [];
  const row = (cells: readonly string[]) =>
    `${cells
      .map((cell, index) =>
        toWidth(cell, Math.max(widths[index] ?? 0, index < cuttable ? 0 : columnsOf(cell))),
      )
      .join("  ")
      .trimEnd()}\n`;
  const cellsOf = (grant: GrantRecord) => tableColumns.map(([, show]) => printable(show(grant)));
  return {
    start(first) {
      const rows = [tableColumns.map(([title]) => title), ...first.map(cellsOf)];
      widths = tableColumns.map((_, index) =>
        Math.max(...rows.map((cells) => columnsOf(cells[index] ?? ""))),
      );
      const gaps = 2 * (widths.length - 1);
      // Excess width is taken from the widest column.
      for (;;) {
        const excess = widths.reduce((sum, width) => sum + width, gaps) - columns;
        const widest = widths.indexOf(Math.max(...widths.slice(0, cuttable)));
        const width = widths[widest] ?? 0;
        if (excess <= 0 || width <= 12) {
          break;
        }
        widths[widest] = width - 1;
      }
      return row(tableColumns.map(([title]) => title));
    },
    grants: (grants) => grants.map((grant) => row(cellsOf(grant))).join(""),
  };
}
