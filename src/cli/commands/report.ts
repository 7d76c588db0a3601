import { platform, timestamp } from "../../common/environment.js";
import type { Command, FlagTable } from "../command.js";
import { parseFlags } from "../flags.js";
import { exitCode, line, OutputClosed, UsageError, writeAll } from "../io.js";
import { logPathOf } from "../log/connect.js";
import { LogContent } from "../log/content.js";
import { csvReport } from "../report/csv.js";
import { htmlReport } from "../report/html.js";
import { reportRows, unrecordedText } from "../report/rows.js";
import { runFacts } from "../report/run-facts.js";

const outputs = ["html", "csv"] as const;

const reportFlags = {
  log: { type: "string", value: "<path>", file: true, help: "the log of the run" },
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
  examples: ["zitadel-user-grants report --log run.jsonl --output html > run.html"],
  groups: [{ title: "Report", flags: reportFlags }],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, reportFlags);
    const path = logPathOf("report", flags.log, positionals);
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
