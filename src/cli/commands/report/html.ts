import { personOf } from "../../grants/record.js";
import { printable } from "../../terminal.js";
import { type ReportRow, type RunFacts, unrecordedText } from "./rows.js";

/**
 * A self-contained, printable page: who ran what, where and when, how many grants have which outcome, and
 * each grant. It loads nothing and runs no script.
 *
 * @param rows is iterated twice.
 */
export async function* htmlReport(
  facts: RunFacts,
  rows: () => AsyncIterable<ReportRow>,
  createdAt: string,
): AsyncGenerator<string> {
  const title = `Grants: ${facts.command}, ${facts.started}`;
  yield `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${facts.command === "remove" ? "Removal" : "Deactivation"} of user grants</h1>
<dl>
${[
  ["Instance", facts.instance],
  ["Organization", facts.organization],
  [facts.accounts.length === 1 ? "Account" : "Accounts", facts.accounts.join(", ")],
  ["Started", facts.started],
  ["Ended", facts.ended || "not known: the run was killed, or has not ended"],
  ["Seen", facts.effect || "not known: nobody has looked what ZITADEL shows"],
]
  .map(([name, value]) => `<dt>${escapeHtml(name ?? "")}</dt><dd>${escapeHtml(value ?? "")}</dd>`)
  .join("\n")}
</dl>
`;
  if (facts.sessions.length > 1) {
    yield table(
      "Sessions",
      ["Session", "Account", "From", "To"],
      facts.sessions.map(({ what, account, at, end }) => [what, account, at, end]),
    );
  }
  const { outcomes, projects, total, unrecorded } = await count(rows());
  yield table("Outcomes", ["Outcome", "Grants"], outcomes);
  yield table("Projects", ["Project", "Grants"], projects);
  if (unrecorded > 0) {
    yield `<p>${escapeHtml(unrecordedText(unrecorded, total))}</p>\n`;
  }
  yield `<h2>Grants</h2>\n<table class="grants">\n<thead><tr>${headings.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>\n<tbody>\n`;
  for await (const row of rows()) {
    yield rowOf(row);
  }
  yield `</tbody>\n</table>\n<footer>Made from the run's log by zitadel-user-grants, ${escapeHtml(createdAt)}. Times are in UTC.</footer>\n</body>\n</html>\n`;
}

const headings = ["Grant", "User", "Project", "Roles", "Before", "Outcome", "Time", "Request"];

function rowOf(row: ReportRow): string {
  const person = personOf({
    displayName: row.displayName || undefined,
    email: row.email || undefined,
    userName: row.userName || undefined,
  });
  const restored =
    row.restored === ""
      ? ""
      : small(`${row.restored}${row.newGrantId === "" ? "" : ` as ${row.newGrantId}`}`);
  const cells = [
    id(row.grantId),
    `${escapeHtml(person)}${person === "" ? id(row.userId) : small(row.userId)}`,
    `${escapeHtml(row.projectName)}${row.projectName === "" ? id(row.projectId) : small(row.projectId)}${row.projectGrantId === "" ? "" : small(`project grant ${row.projectGrantId}`)}`,
    row.isRecorded ? row.roleKeys.map(escapeHtml).join(", ") : small("not recorded"),
    escapeHtml(row.stateBefore),
    `<b class="${/^[a-z-]+$/.test(row.outcome) ? row.outcome : "open"}">${escapeHtml(row.outcome)}</b>${row.reason === "" ? "" : small(row.reason)}${row.effect === "" ? "" : `<b class="open">${escapeHtml(row.effect)}</b>`}${restored}`,
    `${time(row.at)}${row.restoredAt === "" ? "" : `<small>${time(row.restoredAt)}</small>`}`,
    id(row.requestId),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>\n`;
}

function table(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map(
    (row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`,
  );
  return rows.length === 0
    ? ""
    : `<h2>${title}</h2>\n<table>\n<thead><tr>${columns.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>\n<tbody>\n${cells.join("\n")}\n</tbody>\n</table>\n`;
}

async function count(rows: AsyncIterable<ReportRow>) {
  const outcomes = new Map<string, number>();
  const projects = new Map<string, { readonly name: string; count: number }>();
  let total = 0;
  let unrecorded = 0;
  for await (const { outcome, restored, projectId, projectName, isRecorded } of rows) {
    total += 1;
    unrecorded += isRecorded ? 0 : 1;
    const [whether] = restored.split(":");
    const label = restored === "" ? outcome : `${outcome}, then ${whether}`;
    outcomes.set(label, (outcomes.get(label) ?? 0) + 1);
    const project = projects.get(projectId);
    if (project !== undefined) {
      project.count += 1;
    } else if (projectId !== "") {
      const name = projectName === "" ? projectId : `${projectName} (${projectId})`;
      projects.set(projectId, { name, count: 1 });
    }
  }
  const byCount = ([, a]: readonly [string, number], [, b]: readonly [string, number]) => b - a;
  const shown = (counts: readonly (readonly [string, number])[]) =>
    counts.toSorted(byCount).map(([name, number]) => [name, String(number)]);
  return {
    ...{ total, unrecorded },
    outcomes: shown([...outcomes]),
    projects: shown([...projects.values()].map(({ name, count: number }) => [name, number])),
  };
}

const id = (text: string) => (text === "" ? "" : `<code>${escapeHtml(text)}</code>`);
/** For display, to the second; in UTC. */
const time = (text: string) =>
  text === ""
    ? ""
    : `<time datetime="${escapeHtml(text)}">${escapeHtml(text.slice(0, 19).replace("T", " "))}</time>`;
const small = (text: string) => `<small>${escapeHtml(text)}</small>`;

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
dt { color: #57606a; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; } .grants { width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #1b1f24; }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; }
td { border-bottom: 1px solid #d0d7de; overflow-wrap: break-word; max-width: 20rem; }
time { white-space: nowrap; }
code { font: 12px/1.5 ui-monospace, monospace; }
small { display: block; color: #57606a; font-size: 12px; }
b { font-weight: 600; } .removed, .deactivated { color: #116329; } .failed, .open { color: #a40e26; } .not-found, .already-inactive { color: #7d4e00; }
footer { margin: 2rem 0; color: #57606a; font-size: 12px; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 10px; }
  code, small, footer { font-size: 8.5px; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
}
`;
