import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { startSlowProxy } from "./slow-proxy.js";

const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));
const known = 600;
const unknown = 9;

/** What happens at one of the kills. */
interface Blow {
  readonly killAfterMs: number;
  /** Whether another process wants the log at the same time. */
  readonly rival: boolean;
  /** How many blocks of 512 bytes the log may grow by, as on a full disk. */
  readonly blocks: number | undefined;
}

const blow: fc.Arbitrary<Blow> = fc.record({
  killAfterMs: fc.integer({ min: 100, max: 800 }),
  rival: fc.boolean(),
  blocks: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined, freq: 9 }),
});

/**
 * Starts a removal as a process, kills it with SIGKILL at a random moment, resumes it, and kills that,
 * until `kills` have hit. Half of the time another process wants the log at the same moment, and now
 * and then the disk is full. Then lets the last one end, and compares its log with what the server holds.
 */
export async function killAndResume(directory: string, seed: number, kills: number): Promise<void> {
  const sandbox = await startSandbox({ requestLatencyMs: 2, idLatencyMs: 0.1 });
  const proxy = await startSlowProxy(Number(new URL(sandbox.baseUrl).port), 15);
  const environment = {
    PATH: process.env.PATH ?? "",
    ZITADEL_URL: proxy.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  try {
    const [blows = []] = fc.sample(fc.array(blow, { minLength: 2000, maxLength: 2000 }), {
      seed,
      numRuns: 1,
    });
    let hit = 0;
    for (let round = 0; hit < kills; round++) {
      const grants = Array.from({ length: known }, () => sandbox.addGrant().grantId);
      const unknownIds = Array.from({ length: unknown }, (_, index) => `${round}00${index}`);
      const ids = [...grants, ...unknownIds].toSorted((a, b) =>
        a.slice(-2).localeCompare(b.slice(-2)),
      );
      const log = join(directory, `killed-${round}.jsonl`);
      const start = (attempt: Blow | undefined) => runProcess(log, ids, environment, attempt);
      for (let attempt = 0; ; attempt++) {
        // The third resumption is let through, so that each round ends.
        const next = attempt < 3 && hit < kills ? blows[hit + round] : undefined;
        const results = await Promise.all(next?.rival ? [start(next), start(next)] : [start(next)]);
        hit += results.filter((result) => result === "killed").length;
        if (results.includes("done")) {
          break;
        }
        // Without a kill the log is free, so somebody must have got on.
        expect(results, "nobody held the log").not.toEqual(results.map(() => "locked out"));
      }
      checkLog(log, ids, new Set(unknownIds), (id) => sandbox.grant(id) !== undefined);
    }
  } finally {
    proxy.close();
    await sandbox.close();
  }
}

type Result = "killed" | "done" | "locked out" | "disk full";

async function runProcess(
  log: string,
  ids: readonly string[],
  environment: Record<string, string>,
  attempt: Blow | undefined,
): Promise<Result> {
  const argv = existsSync(log)
    ? ["resume", log, "--yes"]
    : ["remove", "--yes", "--log", log, "--file", "-"];
  const grown = Math.ceil((statSync(log, { throwIfNoEntry: false })?.size ?? 0) / 512);
  // Beyond this size a write is short, and the next one an error, as on a full disk.
  const limit = attempt?.blocks === undefined ? "" : `ulimit -f ${grown + attempt.blocks} && `;
  const child = spawn("sh", ["-c", `${limit}exec "$@"`, "sh", process.execPath, bin, ...argv], {
    stdio: [argv[0] === "remove" ? "pipe" : "ignore", "ignore", "pipe"],
    env: environment,
  });
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(ids.join("\n"));
  const timer =
    attempt === undefined
      ? undefined
      : setTimeout(() => child.kill("SIGKILL"), attempt.killAfterMs);
  const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...result) => resolve(result)),
  );
  clearTimeout(timer);
  if (signal !== null) {
    return "killed";
  }
  if (/another run is writing|exists\. Name another file/.test(errors)) {
    expect(exitCode, errors).toBe(1);
    return "locked out";
  }
  if (attempt?.blocks !== undefined && /cannot be (?:written|locked)/.test(errors)) {
    // Before anything was sent, or on the way.
    expect([1, 3], errors).toContain(exitCode);
    return "disk full";
  }
  // Some were not found.
  expect(exitCode, errors).toBe(2);
  return "done";
}

function checkLog(
  path: string,
  ids: readonly string[],
  unknownIds: ReadonlySet<string>,
  exists: (id: string) => boolean,
): void {
  const entries = readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text));
  checkOneWriterAtATime(entries);
  const outcomes = entries.filter((entry) => "grantId" in entry);
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

/** The numbers of requests begin with what is different in each process. */
function checkOneWriterAtATime(entries: readonly Record<string, unknown>[]): void {
  let writer: string | undefined;
  const earlier = new Set<string>();
  for (const { run, request } of entries) {
    if (run === "started" || run === "resumed") {
      writer = undefined;
    } else if (typeof request === "string") {
      const [name = ""] = request.split("-");
      if (writer === undefined) {
        expect(earlier.has(name), `${name} writes again`).toBe(false);
        earlier.add(name);
        writer = name;
      }
      expect(name).toBe(writer);
    }
  }
}
