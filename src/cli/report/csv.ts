import Papa from "papaparse";
import { formulaStart, roleSeparator } from "../list-output.js";
import { printable } from "../printable.js";
import type { ReportRow } from "./rows.js";
import type { RunFacts } from "./run-facts.js";

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
