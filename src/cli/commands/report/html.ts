import { personOf } from "../../grants/record.js";
import type { LogContent } from "../../log/read.js";
import { counted, grouped, printable } from "../../terminal.js";
import { factsOf, outcomeCounts, type ReportRow } from "./rows.js";

/**
 * A self-contained, printable page: who ran what, where and when, how many grants have which outcome, and
 * each grant. It loads nothing and runs no script.
 */
export async function* htmlReport(
  content: LogContent,
  rows: AsyncIterable<ReportRow>,
  createdAt: string,
): AsyncGenerator<string> {
  const { command, instance, organization, accounts, started, ended } = factsOf(content);
  const { looked, inEffect } = content.effect?.effect ?? {};
  const seen =
    looked === undefined
      ? "not known: nobody has looked what ZITADEL shows"
      : `${grouped(inEffect ?? 0)} of ${counted(looked, "grant")} in effect, seen at ${content.effect?.at}`;
  const facts = [
    ["Instance", instance],
    ["Organization", organization],
    [accounts.length === 1 ? "Account" : "Accounts", accounts.join(", ")],
    ["Started", started ?? ""],
    ["Ended", ended || "not known: the run was killed, or has not ended"],
    ["Seen", seen],
  ] as const;
  yield `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(`Grants: ${command}, ${started}`)}</title>
<style>${style}</style>
</head>
<body>
<h1>${command === "remove" ? "Removal" : "Deactivation"} of user grants</h1>
<dl>
${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join("\n")}
</dl>
`;
  if (content.sessions.length > 1) {
    yield tableStart("Sessions", ["Session", "Account", "From", "To"]);
    for (const { what, account, at, ended: end } of content.sessions) {
      yield tableRow([[what], [account], [at], [end && `${end.at} (${end.because})`]]);
    }
    yield tableEnd;
  }
  yield tableStart("Outcomes", ["Outcome", "Grants"]);
  for (const [outcome, count] of outcomeCounts(content)) {
    yield tableRow([[outcome], [String(count)]]);
  }
  yield tableEnd;
  yield tableStart("Grants", [
    ...["Grant", "User", "Project", "Roles", "Before", "Outcome", "Time", "Request"],
  ]);
  for await (const row of rows) {
    // A grant that still gives roles is not to look like one that is done.
    yield tableRow(cellsOf(row), row.effect === undefined ? row.outcome : "open");
  }
  yield tableEnd;
  yield `<footer>Made from the run's log by zitadel-user-grants, ${escapeHtml(createdAt)}. Times are in UTC.</footer>\n</body>\n</html>\n`;
}

/** The lines of a cell; those that are empty are left out. */
type Cell = readonly (string | undefined)[];

function cellsOf(row: ReportRow): Cell[] {
  const { projectGrantId, roleKeys, stateBefore, newGrantId, at, restoredAt } = row;
  return [
    [row.grantId],
    [personOf({ ...row, userId: undefined }), row.userId],
    [row.projectName, row.projectId, projectGrantId && `project grant ${projectGrantId}`],
    [roleKeys?.join(", ")],
    [stateBefore],
    [row.outcome, row.reason, row.effect, row.restored, newGrantId && `as ${newGrantId}`],
    // To the second.
    [at, restoredAt].map((time) => time?.slice(0, 19).replace("T", " ")),
    [row.requestId],
  ];
}

function tableStart(title: string, headings: readonly string[]): string {
  const cells = headings.map((name) => `<th scope="col">${name}</th>`).join("");
  return `<h2>${title}</h2>\n<table class="${title.toLowerCase()}">\n<thead><tr>${cells}</tr></thead>\n<tbody>\n`;
}

const tableEnd = "</tbody>\n</table>\n";

function tableRow(cells: readonly Cell[], kind = ""): string {
  const shown = cells.map((lines) => {
    const [first = "", ...more] = lines.flatMap((text) => (text ? [escapeHtml(text)] : []));
    return `<td>${first}${more.map((text) => `<small>${text}</small>`).join("")}</td>`;
  });
  return `<tr class="${escapeHtml(kind)}">${shown.join("")}</tr>\n`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Content of the server or a file is shown as text, whatever it contains. */
function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

const style = `
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 0; }
dt, footer { color: #57606a; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; } .grants { width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #1b1f24; }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; }
td { border-bottom: 1px solid #d0d7de; overflow-wrap: break-word; max-width: 20rem; }
small { display: block; color: #57606a; font-size: 12px; }
.grants td:nth-child(7) { white-space: nowrap; }
.grants td:nth-child(6) { font-weight: 600; color: #a40e26; } small { font-weight: normal; }
.removed td:nth-child(6), .deactivated td:nth-child(6) { color: #116329; }
.not-found td:nth-child(6), .already-inactive td:nth-child(6) { color: #7d4e00; }
footer { margin: 2rem 0; font-size: 12px; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 10px; }
  small, footer { font-size: 8.5px; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
}
`;
