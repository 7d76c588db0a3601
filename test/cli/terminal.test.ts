import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { inTerminal as runInTerminal } from "./in-terminal.js";
import { withoutLog } from "./run.js";

let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox({ requestLatencyMs: 20 });
});
afterAll(() => sandbox.close());

const inTerminal = (
  argv: readonly string[],
  keys: readonly (readonly [RegExp, string])[],
  columns = 80,
) => {
  const env = {
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  return runInTerminal(withoutLog(argv), { env, keys, columns });
};

const argumentsOf = (count: number) =>
  Array.from({ length: count }, () => sandbox.addGrant().grantId);

describe("as a process on a terminal", () => {
  it("asks, shows a bar, and ends by itself", async () => {
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

  it("takes Ctrl-C at the question for a no", async () => {
    const ids = argumentsOf(1);
    const { exitCode, screen } = await inTerminal(["remove", ...ids], [[/\[y\/N\]/, "\u0003"]]);
    expect(screen).toContain("Nothing was done.");
    expect(exitCode).toBe(3);
    expect(sandbox.grant(ids[0] ?? "")).toBeDefined();
  });

  it("finishes what is in flight at Ctrl-C", async () => {
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
});
