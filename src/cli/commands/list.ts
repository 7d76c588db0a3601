import { ConnectError } from "@connectrpc/connect";
import type { Command, FlagTable } from "../command.js";
import { connectionFlags, connectionNote, readConnection } from "../connection.js";
import { explain } from "../explain.js";
import { noArguments, oneOf, parseFlags } from "../flags.js";
import type { GrantRecord } from "../grant-record.js";
import { exitCode, type Io, line, OutputClosed, writeAll } from "../io.js";
import { type GrantWriter, grantWriter, listOutputs } from "../list-output.js";
import { createLookup } from "../lookup.js";
import { counted, printable } from "../printable.js";
import { lookupTurns, rateFlags, readRate } from "../rate.js";
import { type SelectionEnd, selectGrants } from "../selection.js";
import { readSelectors, selectorFlags, selectorNote } from "../selectors.js";

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
  notes:
    "Exit codes: 0 everything was listed; 1 wrong usage; 2 the list may be incomplete, because grants kept changing while it was read; 3 stopped early; 4 aborted: connection, authentication or permission failure.",
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
  { stdout }: Io,
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
    await writeAll(stdout, text);
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
