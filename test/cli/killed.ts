import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { type Blow, blowsOf, hit, type Result } from "./blows.js";
import { startSlowProxy } from "./slow-proxy.js";

const known = 600;
const unknown = 9;

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
    const blows = blowsOf(seed, 100, 800);
    let hits = 0;
    for (let round = 0; hits < kills; round++) {
      const grants = Array.from({ length: known }, () => sandbox.addGrant().grantId);
      const unknownIds = Array.from({ length: unknown }, (_, index) => `${round}00${index}`);
      const ids = [...grants, ...unknownIds].toSorted((a, b) =>
        a.slice(-2).localeCompare(b.slice(-2)),
      );
      const log = join(directory, `killed-${round}.jsonl`);
      const start = (attempt: Blow | undefined) => runProcess(log, ids, environment, attempt);
      for (let attempt = 0; ; attempt++) {
        // The third resumption is let through, so that each round ends.
        const next = attempt < 3 && hits < kills ? blows[hits + round] : undefined;
        const results = await Promise.all(next?.rival ? [start(next), start(next)] : [start(next)]);
        hits += results.filter((result) => result === "killed").length;
        if (results.includes("done")) {
          break;
        }
        // Without a kill the log is free, so progress must have been made.
        expect(results, "nobody held the log").not.toEqual(results.map(() => "locked out"));
      }
      checkLog(log, ids, new Set(unknownIds), (id) => sandbox.grant(id) !== undefined);
    }
  } finally {
    proxy.close();
    await sandbox.close();
  }
}

function runProcess(
  log: string,
  ids: readonly string[],
  environment: Record<string, string>,
  attempt: Blow | undefined,
): Promise<Result> {
  return existsSync(log)
    ? hit(["resume", log, "--yes"], log, environment, attempt)
    : hit(["remove", "--yes", "--log", log, "--file", "-"], log, environment, attempt, {
        input: ids.join("\n"),
      });
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
  // What was killed between a response with OK and its outcomes is decided by the response.
  const decided = new Set(outcomes.map(({ grantId }) => grantId));
  const done = new Set(entries.flatMap(({ answer, ok }) => (ok ? [answer] : [])));
  const confirmed = entries.flatMap((entry) => (done.has(entry.request) ? entry.ids : []));
  const unwritten = confirmed.filter((id) => !decided.has(id));
  for (const grantId of unwritten) {
    outcomes.push({ grantId, status: "removed" });
  }
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
