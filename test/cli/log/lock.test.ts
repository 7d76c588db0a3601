import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LogLock } from "../../../src/cli/log/lock.js";

const directory = mkdtempSync(join(tmpdir(), "cli-lock-"));
afterAll(() => rmSync(directory, { recursive: true }));
let paths = 0;
const newPath = () => join(directory, `${paths++}.jsonl`);

/** The lock that this process would write. */
function ours(): object {
  const path = newPath();
  const lock = LogLock.take(path);
  const text = readFileSync(`${path}.lock`, "utf8");
  lock.release();
  return JSON.parse(text);
}

/** A lock of a process that has ended. */
function stale(path: string): void {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(`${path}.lock`, JSON.stringify({ ...ours(), pid, startedAt: null }));
}

describe("the lock of a log", () => {
  it("is held once", () => {
    const path = newPath();
    const lock = LogLock.take(path);
    expect(() => LogLock.take(path)).toThrow(
      new RegExp(`Another run is writing .*process ${process.pid} on .*Wait`),
    );
    lock.release();
    LogLock.take(path).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is the same for all names of a log", () => {
    const path = newPath();
    const link = newPath();
    writeFileSync(path, "");
    symlinkSync(path, link);
    const lock = LogLock.take(link);
    expect(() => LogLock.take(path)).toThrow(/Another run is writing/);
    lock.release();
    const other = LogLock.take(path);
    expect(() => LogLock.take(link)).toThrow(/Another run is writing/);
    other.release();
    rmSync(link);
    rmSync(path);
  });

  it("of a process that has exited is replaced", () => {
    const path = newPath();
    stale(path);
    const lock = LogLock.take(path);
    expect(JSON.parse(readFileSync(`${path}.lock`, "utf8")).pid).toBe(process.pid);
    lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("of a process whose number has been reused is replaced", () => {
    const path = newPath();
    const owner = { ...ours(), startedAt: "1" };
    writeFileSync(`${path}.lock`, JSON.stringify(owner));
    LogLock.take(path).release();
  });

  it("of a process that has exited and was not reaped yet is replaced", async () => {
    const path = newPath();
    // The shell becomes a program that never waits for the child that it has started before.
    const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"]);
    const [pid] = await new Promise<string[]>((resolve) =>
      parent.stdout.once("data", (text) => resolve(String(text).trim().split("\n"))),
    );
    const until = async (of: unknown, state: RegExp) => {
      while (!state.test(readFileSync(`/proc/${of}/stat`, "utf8"))) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    // The shell itself would take note of a child that ends.
    await until(parent.pid, /\(sleep\)/);
    process.kill(Number(pid), "SIGKILL");
    await until(pid, /\) Z /);
    writeFileSync(`${path}.lock`, JSON.stringify({ ...ours(), pid: Number(pid) }));
    LogLock.take(path).release();
    parent.kill("SIGKILL");
  });

  it.each([
    ["of another machine", JSON.stringify({ ...ours(), host: "elsewhere", pid: 1 })],
    ["without a start time", JSON.stringify({ ...ours(), startedAt: null })],
    ["that cannot be read", "not a lock"],
    ["whose process was killed before it wrote it", ""],
  ])("%s is kept, and the error names what to do", (_, content) => {
    const path = newPath();
    writeFileSync(`${path}.lock`, content);
    expect(() => LogLock.take(path)).toThrow(/If no run writes the log, delete .*\.lock/);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(content);
    rmSync(`${path}.lock`);
  });

  it("notices that it was deleted", () => {
    const path = newPath();
    const lock = LogLock.take(path);
    rmSync(`${path}.lock`);
    expect(lock.held).toBe(false);
    const other = LogLock.take(path);
    lock.release();
    expect(existsSync(`${path}.lock`)).toBe(true);
    other.release();
  });
});
