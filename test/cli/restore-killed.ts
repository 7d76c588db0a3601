import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { blowsOf, hit } from "./blows.js";
import { run } from "./run.js";
import { startSlowProxy } from "./slow-proxy.js";

const people = 40;

interface Held {
  readonly userId: string;
  readonly state: string;
  readonly roleKeys: readonly string[];
}

interface Row extends Held {
  readonly grantId: string;
}

/**
 * Removes (or deactivates) the grants of some people, then restores them with processes that are killed
 * with SIGKILL at random moments, half of them beside another one that wants the log, now and then on a
 * full disk, until `kills` have hit. Meanwhile some people were granted the same again, and some
 * something else. Compares what the server has added, and what it holds in the end, with what was recorded.
 */
export async function killAndRestore(
  directory: string,
  generation: "v4" | "v2.70",
  seed: number,
  kills: number,
): Promise<void> {
  const added = new Map<string, number>();
  const sandbox = await startSandbox({
    ...{ generation, requestLatencyMs: 2, projectionDelayMs: 300 },
    onRequest({ method, outcome }) {
      const [, userId] = /^POST \/management\/v1\/users\/(\d+)\/grants$/.exec(method) ?? [];
      if (userId !== undefined && outcome === "HTTP 200") {
        added.set(userId, (added.get(userId) ?? 0) + 1);
      }
    },
  });
  const proxy = await startSlowProxy(Number(new URL(sandbox.baseUrl).port), 15);
  const environment = {
    PATH: process.env.PATH ?? "",
    ZITADEL_URL: proxy.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  try {
    const blows = blowsOf(seed, 0, 800);
    let hits = 0;
    for (let round = 0; hits < kills; round++) {
      const command = round % 3 === 2 ? "deactivate" : "remove";
      const { projectId } = sandbox.addProject({ roleKeys: ["reader", "writer"] });
      const before = addPeople(sandbox, projectId);
      const list = () => listed(projectId, environment);
      await vi.waitFor(async () => expect(await list()).toHaveLength(people), 20_000);
      const log = join(directory, `restored-${generation}-${round}.jsonl`);
      const argv = [command, "--yes", "--project", projectId, "--log", log];
      const { stderr } = await run(argv, { env: environment });
      expect(stderr, "the run").toMatch(/\d+ (?:removed|deactivated)/);
      added.clear();
      const { expected, mayBeAdded } =
        command === "remove"
          ? grantAgain(sandbox, projectId, before)
          : { expected: before, mayBeAdded: new Set<string>() };
      for (let attempt = 0; ; attempt++) {
        // The fourth restore is let through, so that each round ends.
        const blow = attempt < 3 && hits < kills ? blows[hits + round] : undefined;
        // Some have been granted something else.
        const done = command === "remove" ? 2 : 0;
        const options = { done, afterOutput: true };
        const start = () => hit(["restore", log, "--yes"], log, environment, blow, options);
        const results = await Promise.all(blow?.rival ? [start(), start()] : [start()]);
        hits += results.filter((result) => result === "killed").length;
        if (results.includes("done")) {
          break;
        }
        expect(results, "nobody held the log").not.toEqual(results.map(() => "locked out"));
      }
      for (const [userId, count] of added) {
        expect(mayBeAdded.has(userId), `${userId} was added`).toBe(true);
        expect(count, `${userId} was added`).toBe(1);
      }
      // Searches lag behind: when this one shows, so does all that was before it.
      const last = sandbox.addGrant({ projectId, roleKeys: ["reader"] });
      let after: readonly Row[] = [];
      await vi.waitFor(async () => {
        after = await list();
        expect(after.map(({ userId }) => userId)).toContain(last.userId);
      }, 20_000);
      const held = after.filter(({ userId }) => userId !== last.userId);
      expect(sorted(held)).toEqual(sorted(expected));
      checkOutcomes(log, command, held);
    }
  } finally {
    proxy.close();
    await sandbox.close();
  }
}

/** Every third grant is inactive, and every fourth has two roles. */
function addPeople(sandbox: SandboxServer, projectId: string): Held[] {
  return Array.from({ length: people }, (_, n) => {
    const state = n % 3 === 0 ? "inactive" : "active";
    const roleKeys = n % 4 === 0 ? ["reader", "writer"] : ["reader"];
    return { ...sandbox.addGrant({ projectId, roleKeys, state }), state, roleKeys };
  });
}

/** Grants to some what they had, and to some something else. Returns what all must have in the end. */
function grantAgain(sandbox: SandboxServer, projectId: string, before: readonly Held[]) {
  const mayBeAdded = new Set<string>();
  const expected = before.map((held, n): Held => {
    const { userId, roleKeys, state } = held;
    if (n % 10 === 1 && state === "active") {
      sandbox.addGrant({ userId, projectId, roleKeys });
      return held;
    }
    if (n % 10 === 2) {
      sandbox.addGrant({ userId, projectId, roleKeys: ["writer"] });
      return { userId, roleKeys: ["writer"], state: "active" };
    }
    mayBeAdded.add(userId);
    return held;
  });
  return { expected, mayBeAdded };
}

async function listed(projectId: string, env: Record<string, string>): Promise<Row[]> {
  const { stdout } = await run(["list", "--project", projectId, "--json"], { env });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((text) => JSON.parse(text));
}

/** Whoever reads the log in the end reads what is so. */
function checkOutcomes(log: string, command: string, held: readonly Row[]): void {
  const byGrant = new Map(held.map((row) => [row.grantId, row]));
  const outcomes = new Map<string, Record<string, string>>();
  // A line that was cut short, by a full disk or a kill, ends the log until something is appended to it.
  for (const text of readFileSync(log, "utf8").split("\n").slice(0, -1)) {
    const entry = JSON.parse(text);
    if ("restored" in entry) {
      outcomes.set(entry.grantId, entry);
    }
  }
  expect(outcomes.size).toBeGreaterThan(0);
  for (const [grantId, { restored = "", newGrantId = grantId, state }] of outcomes) {
    const label = `${grantId} ${restored} ${newGrantId}`;
    expect(["restored", "reactivated", "already-there", "failed"], label).toContain(restored);
    if (restored !== "failed") {
      expect(byGrant.get(newGrantId)?.state, label).toBe(state);
    } else {
      expect(command, label).toBe("remove");
    }
  }
}

function sorted(list: readonly Held[]): Held[] {
  return list
    .map(({ userId, state, roleKeys }) => ({ userId, state, roleKeys }))
    .toSorted((a, b) => (a.userId < b.userId ? -1 : 1));
}
