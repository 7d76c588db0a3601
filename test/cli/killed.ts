import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { startSlowProxy } from "./slow-proxy.js";

const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));
const known = 600;
const unknown = 9;

/**
 * Starts a removal as a process, kills it with SIGKILL at a random moment, resumes it, and kills that,
 * until `kills` have hit. Then lets the last one end, and compares its log with what the server holds.
 */
export async function killAndResume(directory: string, seed: number, kills: number): Promise<void> {
  const sandbox = await startSandbox({ requestLatencyMs: 2, idLatencyMs: 0.1 });
  const proxy = await startSlowProxy(Number(new URL(sandbox.baseUrl).port), 15);
  const environment = {
    ZITADEL_URL: proxy.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  try {
    const [delays = []] = fc.sample(
      fc.array(fc.integer({ min: 100, max: 700 }), { minLength: 1000, maxLength: 1000 }),
      { seed, numRuns: 1 },
    );
    let hit = 0;
    for (let round = 0; hit < kills; round++) {
      const grants = Array.from({ length: known }, () => sandbox.addGrant().grantId);
      const unknownIds = Array.from({ length: unknown }, (_, index) => `${round}00${index}`);
      const ids = [...grants, ...unknownIds].toSorted((a, b) =>
        a.slice(-2).localeCompare(b.slice(-2)),
      );
      const log = join(directory, `killed-${round}.jsonl`);
      for (let attempt = 0; ; attempt++) {
        // The third resumption is let through, so that each round ends.
        const killAfterMs = attempt < 3 && hit < kills ? delays[hit + round] : undefined;
        const argv = existsSync(log)
          ? ["resume", log, "--yes"]
          : ["remove", "--yes", "--log", log, "--file", "-"];
        const killed = await runProcess(argv, ids, environment, killAfterMs);
        if (!killed) {
          break;
        }
        hit += 1;
      }
      checkLog(log, ids, new Set(unknownIds), (id) => sandbox.grant(id) !== undefined);
    }
  } finally {
    proxy.close();
    await sandbox.close();
  }
}

/** Whether it was killed before its end. */
async function runProcess(
  argv: readonly string[],
  ids: readonly string[],
  environment: Record<string, string>,
  killAfterMs: number | undefined,
): Promise<boolean> {
  const child = spawn(process.execPath, [bin, ...argv], {
    stdio: ["pipe", "ignore", "pipe"],
    env: environment,
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(ids.join("\n"));
  const timer =
    killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...result) => resolve(result)),
  );
  clearTimeout(timer);
  if (signal === null) {
    // Some were not found.
    expect(exitCode, errors).toBe(2);
  }
  return signal !== null;
}

function checkLog(
  path: string,
  ids: readonly string[],
  unknownIds: ReadonlySet<string>,
  exists: (id: string) => boolean,
): void {
  const outcomes = readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text))
    .filter((entry) => "grantId" in entry);
  // No id is lost, and none is decided twice.
  expect(outcomes.map(({ grantId }) => grantId).toSorted()).toEqual(ids.toSorted());
  for (const { grantId, status, answerLost } of outcomes) {
    const label = `${grantId} ${status} ${answerLost ?? ""}`;
    expect(exists(grantId), label).toBe(false);
    if (status === "removed") {
      expect(unknownIds.has(grantId), label).toBe(false);
    } else {
      expect(status, label).toBe("not-found");
      if (!answerLost) {
        expect(unknownIds.has(grantId), label).toBe(true);
      }
    }
  }
}
