import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { logHarness } from "./harness.js";

// Processes take long to start on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const bin = fileURLToPath(new URL("../../../dist/cli/bin.js", import.meta.url));
const { add, entries, environment, newLog, server } = logHarness({ requestLatencyMs: 5 });

/** Runs a command line of the shell; `$TOOL` is the command. */
function shell(command: string, stdin: string) {
  const child = spawn("sh", ["-c", command], {
    env: { PATH: process.env.PATH, TOOL: `${process.execPath} ${bin}`, ...environment() },
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  return new Promise<{ exitCode: number | null; stderr: string }>((resolve) =>
    child.on("close", (exitCode) => resolve({ exitCode, stderr })),
  );
}

const removedOf = (ids: readonly string[]) => ids.filter((id) => server().grant(id) === undefined);

describe("results that cannot be written", () => {
  it("stop the run, which is not wrong usage, and can be resumed", async () => {
    const ids = add(3000);
    const log = newLog();
    const { exitCode, stderr } = await shell(
      `$TOOL remove --yes --log ${log} > /dev/full`,
      ids.join("\n"),
    );
    expect(stderr).toMatch(
      /Standard output could not be written: no space left on device \(ENOSPC\)/,
    );
    expect(stderr).toMatch(/resume/);
    expect(exitCode).toBe(3);
    const removed = entries(log).filter(({ status }) => status === "removed");
    expect(removed.map(({ grantId }) => grantId).toSorted()).toEqual(removedOf(ids).toSorted());
    expect((await shell(`$TOOL resume ${log} --yes`, "")).exitCode).toBe(0);
    expect(removedOf(ids)).toHaveLength(3000);
  });

  it("do not stop it when the reader has closed the output", async () => {
    const ids = add(1000);
    const { exitCode, stderr } = await shell(
      `{ $TOOL remove --yes --no-log; echo "code $?" >&2; } | head -1 > /dev/null`,
      ids.join("\n"),
    );
    expect(stderr).toContain("code 0");
    expect(exitCode).toBe(0);
    expect(removedOf(ids)).toHaveLength(1000);
  });
});

describe("a log that cannot be written", () => {
  it("stops the run before it sends what is not logged, and reports what was removed", async () => {
    const ids = add(2000);
    const log = newLog();
    // Beyond 100 KiB a write is short, and the next one an error, as on a full disk.
    const { exitCode, stderr } = await shell(
      `ulimit -f 200; $TOOL remove --yes --no-record --log ${log}`,
      ids.join("\n"),
    );
    expect(stderr).toMatch(
      /The run was stopped: .* cannot be written: file too large \(EFBIG\)\. .*Continue with: .*resume/,
    );
    expect(exitCode).toBe(3);
    const text = readFileSync(log, "utf8");
    const logged = text
      .slice(0, text.lastIndexOf("\n"))
      .split("\n")
      .map((line) => JSON.parse(line));
    const sent = new Set(logged.flatMap(({ ids: sentIds }) => sentIds ?? []));
    const removed = removedOf(ids);
    expect(removed.length).toBeGreaterThan(0);
    expect(removed.length).toBeLessThan(2000);
    expect(removed.filter((id) => !sent.has(id))).toEqual([]);
    const told = stderr.match(/^Not in the log: \d+\tremoved$/gm) ?? [];
    const loggedAsRemoved = logged.filter(({ status }) => status === "removed");
    expect(told.length + loggedAsRemoved.length).toBe(removed.length);
    expect((await shell(`$TOOL resume ${log} --yes --allow-unknown`, "")).exitCode).toBe(0);
    expect(removedOf(ids)).toHaveLength(2000);
  });

  it("sends nothing when the list cannot be written", async () => {
    const ids = add(2000);
    const log = newLog();
    const { exitCode, stderr } = await shell(
      `ulimit -f 20; $TOOL remove --yes --log ${log}`,
      ids.join("\n"),
    );
    expect(stderr).toMatch(
      /^\S+ cannot be written: file too large \(EFBIG\).*\nSee: zitadel-user-grants help remove\n$/,
    );
    expect(exitCode).toBe(1);
    expect(removedOf(ids)).toEqual([]);
  });
});
