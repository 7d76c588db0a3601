import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { flagsOf } from "../../src/cli/command.js";
import { commands } from "../../src/cli/commands/index.js";
import { run } from "./run.js";

/** What bash offers for the last of the words. */
async function inBash(...words: string[]): Promise<string[]> {
  const { stdout } = await run(["completion", "bash"]);
  const script = `${stdout}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _zitadel_user_grants; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", script, "bash", "zitadel-user-grants", ...words], {
    encoding: "utf8",
  })
    .split("\n")
    .filter((word) => word !== "");
}

describe("completion", () => {
  it("offers commands, flags and values in bash", async () => {
    expect(await inBash("re")).toEqual(["remove", "resume", "restore", "report"].sort(byOrder));
    expect(await inBash("help", "doc")).toEqual(["doctor"]);
    expect(await inBash("remove", "--pro")).toEqual(["--project", "--protocol"]);
    expect(await inBash("remove", "--protocol", "grpc")).toEqual(["grpc", "grpc-web"]);
    expect(await inBash("list", "--output", "c")).toEqual(["csv"]);
    expect(await inBash("remove", "--file", "package.js")).toEqual(["package.json"]);
    expect(await inBash("remove", "--file", "=", "package.js")).toEqual(["package.json"]);
    expect(await inBash("list", "--output", "=")).toEqual(["table", "csv", "jsonl"]);
    expect(await inBash("remove", "--project", "B")).toEqual([]);
    expect(await inBash("completion", "f")).toEqual(["fish"]);
  });

  it.each(["zsh", "fish"])("names every command and flag in %s", async (shell) => {
    const { exitCode, stdout } = await run(["completion", shell]);
    expect(exitCode).toBe(0);
    for (const command of commands) {
      expect(stdout).toContain(command.name);
      for (const flag of Object.keys(flagsOf(command))) {
        expect(stdout).toMatch(new RegExp(shell === "zsh" ? `--${flag}=?\\[` : `-l ${flag} `));
      }
    }
  });

  it("knows three shells", async () => {
    const { exitCode, stderr } = await run(["completion", "csh"]);
    expect(stderr).toMatch(/completion takes bash, zsh, fish; got "csh"/);
    expect(exitCode).toBe(1);
  });
});

function byOrder(a: string, b: string): number {
  const names = commands.map(({ name }) => name);
  return names.indexOf(a) - names.indexOf(b);
}
