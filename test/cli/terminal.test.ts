import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { inTerminal as runInTerminal, type TerminalOptions } from "./in-terminal.js";
import { withoutLog } from "./run.js";

// Processes take long to start on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox({ requestLatencyMs: 20 });
});
const directory = mkdtempSync(join(tmpdir(), "cli-terminal-"));
afterAll(async () => {
  await sandbox.close();
  rmSync(directory, { recursive: true });
});

const inTerminal = (
  argv: readonly string[],
  keys: readonly (readonly [RegExp, string])[],
  more: Partial<TerminalOptions> = {},
) => {
  const env = {
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  return runInTerminal(withoutLog(argv), { env, keys, ...more });
};

const argumentsOf = (count: number) =>
  Array.from({ length: count }, () => sandbox.addGrant().grantId);

describe("as a process on a terminal", () => {
  it("asks, shows a bar, and exits by itself", async () => {
    const ids = argumentsOf(500);
    const { exitCode, screen } = await inTerminal(
      ["remove", ...ids],
      [[/Type the number/, "500\r"]],
    );
    expect(screen).toMatch(/█+ 100% {2}500 of 500/);
    expect(screen).toMatch(/500 removed, 0 not found, 0 failed/);
    expect(exitCode).toBe(0);
    expect(ids.some((id) => sandbox.grant(id) !== undefined)).toBe(false);
  });

  it("draws nothing over itself where the terminal knows no escapes", async () => {
    const ids = argumentsOf(3);
    const { exitCode, screen } = await inTerminal(["remove", ...ids], [[/\[y\/N\]/, "y\r"]], {
      term: "dumb",
    });
    expect(screen).toMatch(/3 removed, 0 not found, 0 failed/);
    expect(screen).not.toMatch(/[█░]/);
    expect(screen).not.toContain("\u001b");
    expect(exitCode).toBe(0);
  });

  it("treats Ctrl-C at the prompt as a no", async () => {
    const ids = argumentsOf(1);
    const { exitCode, screen } = await inTerminal(["remove", ...ids], [[/\[y\/N\]/, "\u0003"]]);
    expect(screen).toContain("Nothing was done.");
    expect(exitCode).toBe(3);
    expect(sandbox.grant(ids[0] ?? "")).toBeDefined();
  });

  it("finishes requests in flight at Ctrl-C", async () => {
    const ids = argumentsOf(5000);
    const { exitCode, screen } = await inTerminal(
      ["remove", "--yes", "--concurrency", "1", ...ids],
      [[/░/, "\u0003"]],
    );
    expect(screen).toMatch(/Finishing what is in flight/);
    expect(screen).toMatch(/\d+ removed, 0 not found, 0 failed, \d+ not attempted/);
    expect(exitCode).toBe(3);
    const removed = ids.filter((id) => sandbox.grant(id) === undefined).length;
    expect(screen).toContain(`${removed} removed`);
  });

  it("does not look whether the access has ended after Ctrl-C in the last request", async () => {
    const ids = argumentsOf(200);
    sandbox.failNext({ rpc: "BulkRemoveUserGrant", delayMs: 1 });
    sandbox.failNext({ rpc: "BulkRemoveUserGrant", delayMs: 1000 });
    const { exitCode, screen } = await inTerminal(
      ["remove", "--yes", "--concurrency", "1", ...ids],
      [[/100 of 200/, "\u0003"]],
    );
    expect(screen).toMatch(/200 removed, 0 not found, 0 failed in/);
    expect(screen).toMatch(/Whether it is in effect was not looked at to the end: it was stopped/);
    expect(exitCode).toBe(3);
  });

  it.each([/request #\d GetMyUser/, /request #\d ListUserGrants/])(
    "is stopped by Ctrl-C at %s, and leaves no file behind",
    async (text) => {
      const cwd = mkdtempSync(join(directory, "stopped-"));
      const { userId, grantId } = sandbox.addGrant();
      const { exitCode, screen } = await inTerminal(
        ["remove", "--user", userId, "--log", "run.jsonl", "--debug"],
        [[text, "\u0003"]],
        { cwd },
      );
      expect(screen).toMatch(/Nothing was done\./);
      expect(exitCode).toBe(3);
      expect(readdirSync(cwd)).toEqual([]);
      expect(sandbox.grant(grantId)).toBeDefined();
    },
  );

  it("treats a closed terminal like Ctrl-C", async () => {
    const ids = argumentsOf(5000);
    const log = join(directory, "closed.jsonl");
    void inTerminal(["remove", "--yes", "--concurrency", "1", "--log", log, ...ids], [], {
      when: [/░/, (terminal) => (terminal as unknown as { destroy(): void }).destroy()],
    });
    await vi.waitFor(() => expect(existsSync(log) && !existsSync(`${log}.lock`)).toBe(true), {
      timeout: 50_000,
    });
    const entries = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(entries.at(-1)).toMatchObject({ run: "ended", because: "interrupted" });
    // The kernel and the terminal send a SIGHUP each: that is not a user who presses twice.
    expect(entries.filter(({ status }) => status === "failed")).toEqual([]);
    const removed = entries.filter(({ status }) => status === "removed");
    expect(removed.length).toBeGreaterThan(0);
    expect(removed.length).toBeLessThan(5000);
    expect(removed.map(({ grantId }) => grantId).toSorted()).toEqual(
      ids.filter((id) => sandbox.grant(id) === undefined).toSorted(),
    );
  });

  /** What was drawn over itself, without the escape at its end. */
  const bars = (screen: string) =>
    [...screen.matchAll(/\r([█░][^\r\n]*)/g)].map(([, bar = ""]) => bar.split("\u001b")[0] ?? "");

  it("fits a narrow terminal, and one that is made narrower", async () => {
    const narrow = await inTerminal(["remove", "--yes", ...argumentsOf(500)], [], { columns: 40 });
    expect(bars(narrow.screen).length).toBeGreaterThan(0);
    expect(Math.max(...bars(narrow.screen).map((bar) => bar.length))).toBeLessThan(40);
    const { screen } = await inTerminal(
      ["remove", "--yes", "--concurrency", "1", ...argumentsOf(5000)],
      [],
      { when: [/░/, (terminal) => terminal.resize(40, 30)] },
    );
    expect(bars(screen)[0]?.length).toBeGreaterThan(40);
    expect(bars(screen).at(-1)?.length).toBeLessThan(40);
    expect(screen).toMatch(/5000 removed/);
  });
});
