import { ConnectError } from "@connectrpc/connect";
import Papa from "papaparse";
import { identify, interruptibleLookup } from "../account.js";
import { connectionFlags, connectionNote, readConnection } from "../connect.js";
import { explain } from "../explain.js";
import { type Command, type FlagTable, noArguments, parseFlags } from "../flags.js";
import {
  formulaStart,
  type GrantRecord,
  grantColumns,
  personOf,
  roleSeparator,
} from "../grants/record.js";
import { type SelectionEnd, selectGrants, shortfallOf } from "../grants/select.js";
import { readSelectors, selectorFlags, selectorNote } from "../grants/selectors.js";
import { exitCode, type Io, line, OutputClosed, UsageError, writeAll } from "../io.js";
import type { Selectors } from "../log/entry.js";
import { rateFlags, readRate } from "../pace.js";
import { counted, createTable, jsonText, printable, type TableColumn } from "../terminal.js";

const outputFlags = {
  json: { type: "boolean", help: "JSON Lines, with all that ZITADEL shows of a grant" },
  csv: { type: "boolean", help: "the same as CSV: the default if not on a terminal" },
  quiet: { type: "boolean", short: "q", help: "do not report the number of grants" },
} as const satisfies FlagTable;

/** The command `list`. */
export const list: Command = {
  name: "list",
  summary: "list grants by user, project, role and more",
  description:
    "Lists the grants of an organization: all of them, or those that the flags select. Changes nothing.",
  examples: [
    "zitadel-user-grants list --project Billing --role admin",
    "zitadel-user-grants list --email jane@example.com --csv > plan.csv",
    "zitadel-user-grants remove --file plan.csv",
  ],
  groups: [
    { title: "Grants", flags: selectorFlags, note: selectorNote },
    { title: "Output", flags: { ...outputFlags, ...rateFlags } },
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
  if (values.json && values.csv) {
    throw new UsageError("Give --json or --csv, not both.");
  }
  const selectors = await readSelectors(values, io);
  const connection = await readConnection(values, io);
  const rate = readRate(values.rate, connection.baseUrl);
  const identified = await identify(connection, io);
  if (identified === undefined) {
    return exitCode.aborted;
  }
  const { identity } = identified;
  const { lookup, signal, end: stopListening } = interruptibleLookup(connection, rate, io);
  const writer = values.json
    ? jsonWriter
    : values.csv || !io.stdout.isTTY
      ? csvWriter(io.stdout.isTTY === true)
      : tableWriter(selectors, io.stdout.columns ?? 120);
  let count = 0;
  let end: SelectionEnd;
  try {
    const selection = selectGrants(lookup, selectors, identity.orgId);
    end = await writeGrants(selection, writer, io, (written) => {
      count += written;
    });
  } catch (error) {
    if (error instanceof OutputClosed) {
      return exitCode.done;
    }
    if (signal.aborted) {
      line(io.stderr, `Stopped after ${counted(count, "grant")}: the list is incomplete.`);
      return exitCode.stopped;
    }
    if (error instanceof ConnectError) {
      line(io.stderr, explain(error, "read"));
      line(io.stderr, "The list is incomplete. zitadel-user-grants doctor finds out more.");
      return exitCode.aborted;
    }
    throw error;
  } finally {
    stopListening();
  }
  if (!values.quiet) {
    line(io.stderr, printable(`${counted(count, "grant")} in ${identity.organization}.`));
  }
  const shortfall = shortfallOf(end, connection.protocol);
  for (const value of [
    ...end.unmatched.map((value) => `Not matched: ${value}`),
    ...end.ambiguous,
  ]) {
    line(io.stderr, printable(value));
  }
  if (shortfall !== undefined) {
    line(io.stderr, `The list is incomplete: ${shortfall}`);
  }
  return shortfall === undefined && end.unmatched.length === 0
    ? exitCode.done
    : exitCode.incomplete;
}

/** Writes grants as they arrive, no faster than the reader reads them. */
async function writeGrants(
  selection: AsyncGenerator<GrantRecord, SelectionEnd>,
  writer: GrantWriter,
  io: Io,
  onWritten: (count: number) => void,
): Promise<SelectionEnd> {
  let waiting: GrantRecord[] = [];
  let row: ((grant: GrantRecord) => string) | undefined;
  const flush = async () => {
    let text = "";
    if (row === undefined) {
      const { head, row: first } = writer(waiting);
      row = first;
      text = head;
    }
    text += waiting.map(row).join("");
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

/** How grants are written: the text before them, by the first ones, and of each. */
type GrantWriter = (first: readonly GrantRecord[]) => {
  readonly head: string;
  readonly row: (grant: GrantRecord) => string;
};

const jsonWriter: GrantWriter = () => ({ head: "", row: (grant) => `${jsonText(grant)}\n` });

/** @param isTerminal names must not control it. */
const csvWriter =
  (isTerminal: boolean): GrantWriter =>
  () => ({
    head: `${grantColumns.join(",")}\r\n`,
    row(grant) {
      const cells = grantColumns.map((column) => {
        const value = grant[column];
        const text = typeof value === "string" ? value : (value?.join(roleSeparator) ?? "");
        return isTerminal ? printable(text) : text;
      });
      return `${Papa.unparse([cells], { escapeFormulae: formulaStart })}\r\n`;
    },
  });

/** What was searched by, and the ids, are shown whole. */
const tableWriter =
  (selectors: Selectors, width: number): GrantWriter =>
  (first) => {
    const { emails, loginNames, projects, roles } = selectors;
    const columns: TableColumn<GrantRecord>[] = [
      { title: "USER", show: personOf, whole: emails.length + loginNames.length > 0 },
      {
        title: "PROJECT",
        show: ({ projectName, projectId }) => projectName ?? projectId,
        whole: projects.length > 0,
      },
      { title: "ROLES", show: ({ roleKeys }) => roleKeys.join(", "), whole: roles.length > 0 },
      { title: "STATE", show: ({ state }) => state, spare: 1 },
      { title: "USER ID", show: ({ userId }) => userId, whole: true, spare: 2 },
      { title: "GRANT ID", show: ({ grantId }) => grantId, whole: true },
    ];
    const { head, row } = createTable(columns, first, width);
    return { head: `${head}\n`, row: (grant) => `${row(grant)}\n` };
  };
