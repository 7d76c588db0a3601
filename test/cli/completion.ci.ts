import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "completion-"));
const script = (shell: string) => join(directory, `script.${shell}`);
const env = { PATH: process.env.PATH ?? "", TERM: "xterm", LC_ALL: "C.UTF-8", ZDOTDIR: directory };

beforeAll(async () => {
  for (const shell of ["zsh", "fish"]) {
    writeFileSync(script(shell), (await run(["completion", shell])).stdout);
  }
  for (const name of ["plan.csv", "plan.txt", "run.jsonl"]) {
    writeFileSync(join(directory, name), "");
  }
  writeFileSync(
    join(directory, ".zshrc"),
    `autoload -Uz compinit; compinit -D -u
source ${script("zsh")}
bindkey '^I' complete-word
leave () { exit }
comppostfuncs=( leave )
compadd () {
  if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >> ${join(directory, "hits")}
  fi
  builtin compadd "$@"
}
PS1='ready> '
`,
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

const isThere = (shell: string) => {
  try {
    execFileSync(shell, ["--version"]);
    return true;
  } catch {
    console.log(`no ${shell} here: its completion is not tried`);
    return false;
  }
};

/** What an interactive zsh offers at the tab key. */
async function inZsh(typed: string): Promise<string[]> {
  const hits = join(directory, "hits");
  writeFileSync(hits, "");
  const shell = spawn("zsh", ["-i"], { cols: 80, rows: 200, cwd: directory, env });
  let screen = "";
  let waiting = true;
  shell.onData((text) => {
    screen += text;
    if (waiting && screen.includes("ready> ")) {
      waiting = false;
      shell.write(`${typed}\t`);
    }
  });
  await new Promise((resolve) => shell.onExit(resolve));
  return readFileSync(hits, "utf8").split("\n").filter(Boolean);
}

/** What fish offers, without the descriptions. */
async function inFish(typed: string): Promise<string[]> {
  const program = `source ${script("fish")}; complete -C '${typed}'`;
  const options = { cwd: directory, encoding: "utf8", env: { ...env, HOME: directory } } as const;
  return execFileSync("fish", ["--no-config", "-c", program], options)
    .split("\n")
    .filter(Boolean)
    .map((text) => text.split("\t")[0] ?? "");
}

describe.each([
  ["zsh", inZsh],
  ["fish", inFish],
] as const)("completion in %s", (shell, offers) => {
  it.skipIf(!isThere(shell))("offers commands, flags, values and files", async () => {
    const offered = async (typed: string) => (await offers(`zitadel-user-grants ${typed}`)).sort();
    expect(await offered("re")).toEqual(["remove", "report", "restore", "resume"]);
    expect(await offered("hel")).toEqual(["help"]);
    expect(await offered("help doc")).toEqual(["doctor"]);
    expect(await offered("remove --pro")).toEqual(["--project", "--protocol"]);
    expect(await offered("remove 12 34 --stat")).toEqual(["--state"]);
    expect(await offered("remove --user 12 --us")).toContain("--user");
    expect(await offered("remove list --output")).toEqual([]);
    expect(await offered("remove --protocol ")).toEqual(["grpc", "grpc-web", "json"]);
    expect(await offered("list --output c")).toEqual(["csv"]);
    expect(await offered("completion f")).toEqual(["fish"]);
    expect(await offered("remove --file plan.")).toEqual(["plan.csv", "plan.txt"]);
    expect((await offered("remove --file=plan.c")).join()).toMatch(/plan\.csv$/);
    expect(await offered("resume run")).toEqual(["run.jsonl"]);
    expect(await offered("remove --project pl")).toEqual([]);
  });
});
