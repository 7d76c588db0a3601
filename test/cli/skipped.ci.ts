import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

const directory = mkdtempSync(join(tmpdir(), "cli-skipped-"));
afterAll(() => rmSync(directory, { recursive: true }));

const tool = join(import.meta.dirname, "../../dist/cli/bin.js");

/** Runs the command line as a process; `killAt` ends it when the text has come. */
function cli(sandbox: SandboxServer, argv: readonly string[], killAt?: () => boolean) {
  const child = spawn(process.execPath, [tool, ...argv], {
    cwd: directory,
    env: { PATH: process.env.PATH, ZITADEL_URL: sandbox.baseUrl, ZITADEL_TOKEN: sandbox.token },
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.on("data", () => {
    if (killAt?.()) {
      child.kill("SIGKILL");
    }
  });
  const poll = setInterval(() => killAt?.() && child.kill("SIGKILL"), 5);
  return new Promise<{ exitCode: number | null; stderr: string }>((resolve) =>
    child.on("close", (exitCode) => {
      clearInterval(poll);
      resolve({ exitCode, stderr });
    }),
  );
}

/** What the read model shows, as tokens would. */
async function activeIn({ baseUrl, token }: SandboxServer): Promise<string[]> {
  const response = await fetch(`${baseUrl}/management/v1/users/grants/_search`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: { limit: 100_000 } }),
  });
  const { result = [] } = (await response.json()) as { result?: { id: string; state: string }[] };
  return result.filter(({ state }) => state === "USER_GRANT_STATE_ACTIVE").map(({ id }) => id);
}

const text = (log: string) => readFileSync(join(directory, log), "utf8");
const count = 5000;

async function company(generation: "v4" | "v2.70") {
  const sandbox = await startSandbox({ generation, projectionDelayMs: 200 });
  const { projectId } = sandbox.addProject({ name: "Billing", roleKeys: ["reader"] });
  for (let n = 0; n < count; n++) {
    sandbox.addGrant({ userId: `u${n}`, projectId, roleKeys: ["reader"] });
  }
  return sandbox;
}

/** Skips one change in 500 from now on, until it is stopped. */
function skipSome(sandbox: SandboxServer, log: string) {
  let before = 0;
  return () => {
    let done = 0;
    try {
      done = Math.floor((text(log).match(/"status":/g)?.length ?? 0) / 500);
    } catch {
      // It is not there yet.
    }
    if (done > before) {
      before = done;
      sandbox.skipNextProjections(1);
    }
    return done;
  };
}

describe.each(["v4", "v2.70"] as const)("%s loses one event in 500", (generation) => {
  it("and in the end nobody has roles, or is listed: deactivated, killed twice, and repaired", async () => {
    const sandbox = await company(generation);
    const log = `deactivate-${generation}.jsonl`;
    const skip = skipSome(sandbox, log);
    const argv = ["--yes", "--quiet", "--concurrency", "4"];
    await cli(
      sandbox,
      ["deactivate", "--project", "Billing", "--log", log, ...argv],
      () => skip() >= 3,
    );
    await cli(sandbox, ["resume", log, ...argv], () => skip() >= 6);
    const resumed = await cli(sandbox, ["resume", log, ...argv], () => skip() < 0);
    const stuck = await activeIn(sandbox);
    expect(stuck.length).toBeGreaterThan(3);
    expect(stuck.length).toBeLessThan(50);
    expect(resumed.exitCode).toBe(2);
    for (const id of stuck) {
      expect(resumed.stderr).toContain(id);
    }
    // Killed between the two steps of the second grant.
    const steps = () => text(log).match(/"do":"reactivate"/g)?.length ?? 0;
    await cli(sandbox, ["verify", log, "--repair", "--quiet"], () => steps() >= 2);
    sandbox.failNext({ rpc: "ReactivateUserGrant", lost: true, applyAfterMs: 300 });
    const late = await cli(sandbox, ["verify", log, "--repair", "--quiet"]);
    expect(late.exitCode).toBe(2);
    expect(late.stderr).toMatch(/Undecided: \d+ may be active/);
    const last = await cli(sandbox, ["verify", log, "--repair", "--quiet"]);
    const active = await activeIn(sandbox);
    expect(active.every((id) => last.stderr.includes(id))).toBe(true);
    expect(last.exitCode).toBe(active.length === 0 ? 0 : 2);
    const told = text(log);
    expect(told.match(/"step":/g)?.length).toBeGreaterThanOrEqual(
      told.match(/"stepResponse":/g)?.length ?? 0,
    );
    await sandbox.close();
  }, 400_000);

  it("and each grant is listed that was removed or restored, and is not shown so", async () => {
    const sandbox = await company(generation);
    const log = `remove-${generation}.jsonl`;
    sandbox.skipNextProjections(10);
    const removed = await cli(sandbox, [
      ...["remove", "--project", "Billing", "--yes", "--quiet", "--log", log],
    ]);
    const shown = await activeIn(sandbox);
    expect(shown).toHaveLength(10);
    expect(removed.exitCode).toBe(2);
    expect(shown.every((id) => removed.stderr.includes(id))).toBe(true);
    expect((await cli(sandbox, ["verify", log, "--quiet"])).exitCode).toBe(2);
    await sandbox.close();
  }, 200_000);
});

describe("60,000 grants of a project", () => {
  it.each([
    ["v4", "grpc", true, 800],
    ["v4", "json", true, 800],
    ["v2.70", "grpc", true, 6],
    ["v2.70", "json", false, 200],
  ] as const)(
    "%s over %s: all of them are selected: %s",
    async (generation, protocol, whole, most) => {
      let requests = 0;
      const sandbox = await startSandbox({
        generation,
        onRequest: ({ method }) => {
          requests += /Grant|Authorizations/.test(method) ? 1 : 0;
        },
      });
      const { projectId } = sandbox.addProject({ name: "Billing", roleKeys: ["reader"] });
      for (let n = 0; n < 60_000; n++) {
        sandbox.addGrant({ userId: `u${n}`, projectId, roleKeys: ["reader"] });
      }
      const { exitCode, stderr } = await cli(sandbox, [
        ...["remove", "--project", projectId, "--user-type", "human", "--dry-run"],
        ...["--protocol", protocol],
      ]);
      console.log(`${generation} over ${protocol}: ${requests} requests, exit code ${exitCode}`);
      if (whole) {
        expect(stderr).toContain("60,000 to remove, of 60,000 users");
        expect(exitCode).toBe(0);
      } else {
        // ZITADEL v2.70 has no list with an order, and 4 MiB for a response.
        expect(stderr).toMatch(
          /of 60,000 grants could be read: .*--protocol grpc|60,000 to remove/,
        );
      }
      expect(requests).toBeLessThan(most);
      await sandbox.close();
    },
    200_000,
  );
});
