import Papa from "papaparse";
import { platform, timestamp } from "../../../common/environment.js";
import { type Command, type FlagTable, parseFlags } from "../../flags.js";
import { formulaStart, roleSeparator } from "../../grants/record.js";
import { exitCode, line, OutputClosed, UsageError, writeAll } from "../../io.js";
import { logPathOf } from "../../log/open.js";
import { LogContent } from "../../log/read.js";
import { printable } from "../../terminal.js";
import { htmlReport } from "./html.js";
import { type ReportRow, type RunFacts, reportRows, runFacts, unrecordedText } from "./rows.js";

const outputs = ["html", "csv"] as const;

const reportFlags = {
  output: {
    type: "string",
    value: "<name>",
    values: outputs,
    help: "html, a self-contained and printable page, or csv, for spreadsheets",
  },
} as const satisfies FlagTable;

/** This many characters are written at once. */
const chunkLength = 1 << 16;

/** The command `report`. */
export const report: Command = {
  name: "report",
  summary: "turn a run's log into a page or a table, for the records",
  arguments: "<log>",
  description:
    "Reports who ran it, where and when, and for each grant the user, project, roles, outcome, reason, time and request id, as far as the log contains them. Needs no connection.",
  examples: ["zitadel-user-grants report run.jsonl --output html > run.html"],
  groups: [{ title: "Report", flags: reportFlags }],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, reportFlags);
    const path = logPathOf("report", positionals);
    if (flags.output === undefined) {
      throw new UsageError("No format given. Give --output html or --output csv.");
    }
    LogContent.readHead(path, "report");
    const content = LogContent.read(path, "report", true);
    const facts = runFacts(content);
    let unrecorded = 0;
    const rows = function* () {
      unrecorded = 0;
      for (const row of reportRows(content)) {
        unrecorded += row.isRecorded ? 0 : 1;
        yield row;
      }
    };
    const parts =
      flags.output === "csv"
        ? csvReport(facts, rows())
        : htmlReport(facts, rows, timestamp(platform));
    let chunk = "";
    try {
      for (const part of parts) {
        chunk += part;
        if (chunk.length >= chunkLength) {
          await writeAll(io.stdout, chunk);
          chunk = "";
        }
      }
      await writeAll(io.stdout, chunk);
    } catch (error) {
      if (!(error instanceof OutputClosed)) {
        throw error;
      }
    }
    if (unrecorded > 0) {
      line(io.stderr, unrecordedText(unrecorded, content.grants.size));
    }
    return exitCode.done;
  },
};

const columns = [
  ...(["grantId", "userId", "displayName", "email", "userName"] as const),
  ...(["projectId", "projectName", "projectGrantId", "roleKeys", "stateBefore"] as const),
  ...(["outcome", "at", "reason", "requestId"] as const),
  ...(["restored", "newGrantId", "restoredAt"] as const),
] satisfies readonly Exclude<keyof ReportRow, "isRecorded">[];

const factColumns = [
  "command",
  "instance",
  "organization",
  "accounts",
  "started",
  "ended",
] as const;

/**
 * One row per grant, which also contains who ran what, where and when. Cells that a spreadsheet would take
 * for formulas begin with an apostrophe; control characters are escaped.
 */
export function* csvReport(facts: RunFacts, rows: Iterable<ReportRow>): Generator<string> {
  yield `${[...columns, ...factColumns].join(",")}\r\n`;
  const run = factColumns.map((column) => cell(facts[column]));
  for (const row of rows) {
    const cells = [...columns.map((column) => cell(row[column])), ...run];
    yield `${Papa.unparse([cells], { escapeFormulae: formulaStart })}\r\n`;
  }
}

function cell(value: string | readonly string[]): string {
  return typeof value === "string" ? printable(value) : value.map(printable).join(roleSeparator);
}
