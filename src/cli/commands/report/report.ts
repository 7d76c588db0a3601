import Papa from "papaparse";
import { platform, timestamp } from "../../../bulk/internal.js";
import { type Command, type FlagTable, parseFlags } from "../../flags.js";
import { formulaStart, roleSeparator } from "../../grants/record.js";
import { exitCode, line, OutputClosed, UsageError, writeAll } from "../../io.js";
import { logPathOf } from "../../log/open.js";
import { LogContent } from "../../log/read.js";
import { jsonText, printable, quoted } from "../../terminal.js";
import { htmlReport } from "./html.js";
import { type ReportRow, type RunFacts, reportRows, runFacts, unrecordedText } from "./rows.js";

const reportFlags = {
  csv: { type: "boolean", help: "a table, for spreadsheets, in place of the page" },
  json: { type: "boolean", help: "the same as JSON Lines" },
  quiet: { type: "boolean", short: "q", help: "do not say what the log does not contain" },
} as const satisfies FlagTable;

/** This many characters are written at once. */
const chunkLength = 1 << 16;

/** The command `report`. */
export const report: Command = {
  name: "report",
  summary: "turn a run's log into a page or a table, for the records",
  arguments: "<log>",
  description:
    "Reports who ran it, where and when, and for each grant the user, project, roles, outcome, reason, time and request id, as far as the log contains them: a self-contained and printable HTML page. Needs no connection.",
  examples: [
    "zitadel-user-grants report run.jsonl > run.html",
    "zitadel-user-grants report run.jsonl --csv > run.csv",
  ],
  groups: [{ title: "Report", flags: reportFlags }],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, reportFlags);
    const path = logPathOf("report", positionals);
    if (flags.csv && flags.json) {
      throw new UsageError("Give --csv or --json, not both.");
    }
    if (io.stdout.isTTY && !flags.csv && !flags.json) {
      throw new UsageError(
        `A page is for a browser: zitadel-user-grants report ${quoted(path)} > run.html`,
      );
    }
    await LogContent.check(path, "report");
    const content = await LogContent.read(path, "report", true);
    const facts = runFacts(content);
    let unrecorded = 0;
    const rows = async function* () {
      unrecorded = 0;
      for await (const row of reportRows(content)) {
        unrecorded += row.isRecorded ? 0 : 1;
        yield row;
      }
    };
    const parts = flags.csv
      ? csvReport(facts, rows())
      : flags.json
        ? jsonReport(facts, rows())
        : htmlReport(facts, rows, timestamp(platform));
    let chunk = "";
    try {
      for await (const part of parts) {
        chunk += part;
        if (chunk.length >= chunkLength) {
          await writeAll(io, chunk);
          chunk = "";
        }
      }
      await writeAll(io, chunk);
    } catch (error) {
      if (error instanceof OutputClosed) {
        return exitCode.done;
      }
      throw error;
    }
    if (unrecorded > 0 && !flags.quiet) {
      line(io.stderr, unrecordedText(unrecorded, content.grants.length));
    }
    return exitCode.done;
  },
};

const columns = [
  ...(["grantId", "userId", "displayName", "email", "userName"] as const),
  ...(["projectId", "projectName", "projectGrantId", "roleKeys", "stateBefore"] as const),
  ...(["outcome", "at", "reason", "requestId", "effect"] as const),
  ...(["restored", "newGrantId", "restoredAt"] as const),
] satisfies readonly Exclude<keyof ReportRow, "isRecorded">[];

const factColumns = [
  "command",
  "instance",
  "organization",
  "accounts",
  "started",
  "ended",
] as const satisfies readonly (keyof RunFacts)[];

/**
 * One row per grant, which also contains who ran what, where and when. Cells that a spreadsheet would take
 * for formulas begin with an apostrophe; control characters are escaped.
 */
async function* csvReport(facts: RunFacts, rows: AsyncIterable<ReportRow>): AsyncGenerator<string> {
  yield `${[...columns, ...factColumns].join(",")}\r\n`;
  const run = factColumns.map((column) => cell(facts[column]));
  for await (const row of rows) {
    const cells = [...columns.map((column) => cell(row[column])), ...run];
    yield `${Papa.unparse([cells], { escapeFormulae: formulaStart })}\r\n`;
  }
}

function cell(value: string | readonly string[]): string {
  return typeof value === "string" ? printable(value) : value.map(printable).join(roleSeparator);
}

async function* jsonReport(
  facts: RunFacts,
  rows: AsyncIterable<ReportRow>,
): AsyncGenerator<string> {
  const run = Object.fromEntries(factColumns.map((column) => [column, facts[column]]));
  for await (const { isRecorded: _, ...row } of rows) {
    yield `${jsonText({ ...row, ...run })}\n`;
  }
}
