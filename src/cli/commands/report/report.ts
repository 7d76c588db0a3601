import { platform, timestamp } from "../../../bulk/internal.js";
import { defineCommand, type FlagTable } from "../../flags.js";
import { exitCode, UsageError } from "../../io.js";
import { logPathOf } from "../../log/open.js";
import { LogContent } from "../../log/read.js";
import { csvLines, jsonLines, printable, writeTexts } from "../../terminal.js";
import { htmlReport } from "./html.js";
import { columns, reportRows } from "./rows.js";

const reportFlags = {
  csv: { type: "boolean", help: "a table, for spreadsheets, in place of the page" },
  json: { type: "boolean", help: "the same as JSON Lines" },
  quiet: { type: "boolean", short: "q", help: "nothing but the result, as always" },
} as const satisfies FlagTable;

/** The command `report`. */
export const report = defineCommand({
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
  async run(flags, args, io) {
    const path = logPathOf("report", args);
    if (flags.csv && flags.json) {
      throw new UsageError("Give --csv or --json, not both.");
    }
    const content = await LogContent.read(path);
    const rows = reportRows(content);
    const texts = flags.csv
      ? csvLines(columns, rows, printable)
      : flags.json
        ? jsonLines(rows)
        : htmlReport(content, rows, timestamp(platform));
    await writeTexts(texts, io);
    return exitCode.done;
  },
});
