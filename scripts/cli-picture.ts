// Writes docs/cli.svg and docs/cli-undo.svg: real runs of the command line tool in a pseudo-terminal,
// against the sandbox.
// npm run build && node scripts/cli-picture.ts
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "@lydell/node-pty";
import { startSandbox } from "zitadel-user-grants/sandbox";

const root = fileURLToPath(new URL("..", import.meta.url));
const columns = 96;

/** What a terminal shows in the end, from what was written to it. */
function screenOf(written: string): string[] {
  const lines: string[] = [""];
  let column = 0;
  // The escapes that a progress bar and a prompt use: to a column, clear to the end; others do not show.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes begin with one.
  for (const [, code, text] of written.matchAll(/\u001b\[([?\d;]*[A-Za-z])|([^\u001b])/gu)) {
    const line = lines.at(-1) ?? "";
    if (code?.endsWith("G")) {
      column = Number(code.slice(0, -1) || 1) - 1;
    } else if (code?.endsWith("K") || code?.endsWith("J")) {
      lines[lines.length - 1] = line.slice(0, column);
    } else if (text === "\r") {
      column = 0;
    } else if (text === "\n") {
      lines.push("");
      column = 0;
    } else if (text === "\t") {
      column = column - (column % 8) + 8;
    } else if (text !== undefined) {
      lines[lines.length - 1] =
        line.slice(0, column).padEnd(column) + text + line.slice(column + 1);
      column += 1;
    }
  }
  return lines.map((line) => line.trimEnd());
}

/** The width of a character at 14px in the fonts named below, which are all as wide. */
const advance = 8.4;

/**
 * Each word group stands where its column is: no browser closes the spaces between columns, and a machine
 * without such a font shows the columns all the same.
 */
function toSvg(lines: readonly string[], title: string): string {
  const [width, height] = [columns * advance + 32, lines.length * 20 + 32];
  const escaped = (text: string) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const drawn = lines.flatMap((line, row) => {
    const color = line.startsWith("$") ? ' fill="#7ee787"' : "";
    const y = row * 20 + 32;
    return [...line.matchAll(/█+|[^█\s]+(?: [^█\s]+)*/g)].map(({ 0: text, index }) => {
      const [x, length] = [16 + index * advance, text.length * advance];
      return text.startsWith("█")
        ? `<rect x="${x}" y="${y - 12}" width="${length}" height="15"/>`
        : `<text x="${x}" y="${y}" textLength="${length}"${color}>${escaped(text)}</text>`;
    });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`,
    `<rect width="100%" height="100%" rx="8" fill="#16181d"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#d7dae0">`,
    ...drawn,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

const sandbox = await startSandbox({ port: 8080, requestLatencyMs: 7, idLatencyMs: 0.6 });
const folder = await mkdtemp(join(tmpdir(), "picture-"));

/** What a terminal shows of a command: its line, what it writes, and its exit code. */
async function shown(command: string, typed?: string): Promise<string[]> {
  const argv = command.split(" ");
  const terminal = spawn(process.execPath, [join(root, "dist/cli/bin.js"), ...argv], {
    cwd: folder,
    cols: columns,
    rows: 40,
    env: {
      TERM: "xterm",
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_ORG_ID: sandbox.orgId,
    },
  });
  let written = "";
  let open = typed !== undefined;
  terminal.onData((text) => {
    written += text;
    if (open && /grants?\? (Type|\[y\/N\])/.test(written)) {
      open = false;
      terminal.write(`${typed}\r`);
    }
  });
  const exitCode = await new Promise<number>((resolve) =>
    terminal.onExit((exit) => resolve(exit.exitCode)),
  );
  const screen = screenOf(written);
  while (screen.at(-1) === "") {
    screen.pop();
  }
  return [`$ npx zitadel-user-grants ${command}`, ...screen, "$ echo $?", String(exitCode), ""];
}

async function write(name: string, title: string, lines: readonly string[]): Promise<void> {
  await writeFile(join(root, name), toSvg(lines.slice(0, -1), title));
  console.log(lines.join("\n"));
}

const reports = sandbox.addProject({ name: "Reports", roleKeys: ["reader"] }).projectId;
const billing = sandbox.addProject({ name: "Billing", roleKeys: ["admin", "reader"] }).projectId;
const names = ["Ada Byron", "Alan Mathison", "Grace Murray", "Edsger Wybe", "Barbara Jane"];
for (let n = 0; n < 5000; n++) {
  const name = `${names[n % 5]}${n < 5 ? "" : ` ${n}`}`;
  const email = `${name.toLowerCase().replaceAll(" ", ".")}@example.com`;
  const roleKeys = n < 5 ? ["admin", "reader"] : ["reader"];
  const { userId } = sandbox.addUser({ name, email });
  sandbox.addGrant({ userId, projectId: billing, roleKeys });
  if (n === 0) {
    sandbox.addGrant({ userId, projectId: reports, roleKeys: ["reader"] });
  }
}
await write("docs/cli-undo.svg", "Removing a person's grants, verifying, and restoring them", [
  ...(await shown("remove --email ada.byron@example.com --log ada.jsonl", "y")),
  ...(await shown("verify ada.jsonl")),
  ...(await shown("restore ada.jsonl", "y")),
]);
await write("docs/cli.svg", "Listing grants and removing them by project and role", [
  ...(await shown("list --project Billing --role admin")),
  ...(await shown("remove --project Billing --role reader --log run.jsonl", "5000")),
]);
await sandbox.close();
await rm(folder, { recursive: true });
