import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { inTerminal, type TerminalOptions } from "./in-terminal.js";
import { run } from "./run.js";

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) {
    rmSync(directory, { recursive: true });
  }
});

/** An organization in which every tenth grant is inactive, and every third person has another one. */
async function company(generation: "v4" | "v2.70", people: number) {
  const sandbox = await startSandbox({
    ...{ generation, requestLatencyMs: 5, idLatencyMs: 4, projectionDelayMs: 300 },
  });
  const billing = sandbox.addProject({ name: "Billing", roleKeys: ["reader", "admin"] }).projectId;
  const reports = sandbox.addProject({ name: "Reports", roleKeys: ["reader"] }).projectId;
  const meant: { userId: string; grantId: string; roleKeys: string[]; state: string }[] = [];
  const others: string[] = [];
  for (let n = 0; n < people; n++) {
    const { userId } = sandbox.addUser({ name: `Person ${n}`, email: `p${n}@example.com` });
    const roleKeys = n % 4 === 0 ? ["reader", "admin"] : ["reader"];
    const state = n % 10 === 0 ? "inactive" : "active";
    const { grantId } = sandbox.addGrant({ userId, projectId: billing, roleKeys, state });
    meant.push({ userId, grantId, roleKeys, state });
    if (n % 3 === 0) {
      others.push(sandbox.addGrant({ userId, projectId: reports, roleKeys: ["reader"] }).grantId);
    }
  }
  others.push(sandbox.addGrant({ projectId: billing, roleKeys: ["admin"] }).grantId);
  return { sandbox, meant, others };
}

/** The whole story, in a terminal. */
export function describeStory(generation: "v4" | "v2.70", people: number): void {
  describe(`the whole story, against ZITADEL ${generation}`, () => {
    it("list, remove, kill -9, resume, verify, report, restore", { timeout: 60_000 }, async () => {
      const { sandbox, meant, others } = await company(generation, people);
      const cwd = mkdtempSync(join(tmpdir(), "story-"));
      directories.push(cwd);
      const env = {
        ZITADEL_URL: sandbox.baseUrl,
        ZITADEL_TOKEN: sandbox.token,
        ZITADEL_ORG_ID: sandbox.orgId,
      };
      const terminal = async (argv: readonly string[], more: Partial<TerminalOptions> = {}) => {
        const result = await inTerminal(argv, { env, cwd, ...more });
        // The bar stays in its line: nothing that is drawn over itself reaches the last column.
        for (const [, drawn = ""] of result.screen.matchAll(/\r([█░][^\r\n]*)/g)) {
          expect(drawn.split("\u001b")[0]?.length).toBeLessThan(80);
        }
        return result;
      };
      /** Types the number that is asked for. */
      const asked = [/([\d,]+) grants\? Type the number of grants/, "$1\r"] as const;
      const selector = ["--project", "Billing", "--role", "reader"];

      // The read side lags behind what was added.
      await vi.waitFor(
        async () => {
          const { stdout } = await run(["list", "--json"], { env });
          expect(stdout.trim().split("\n")).toHaveLength(meant.length + others.length);
        },
        { timeout: 10_000, interval: 100 },
      );
      const listed = await terminal(["list", ...selector]);
      expect(listed.screen).toContain(`${people.toLocaleString("en-US")} grants in `);
      expect(listed.exitCode).toBe(0);

      const killed = await terminal(["remove", ...selector, "--concurrency", "1"], {
        keys: [asked],
        killAt: /░ +\d+% +[1-9][\d,]* of/,
      });
      const count = people.toLocaleString("en-US");
      expect(killed.screen).toContain(
        `${count} to remove, of ${count} users; ${people / 10} of them inactive`,
      );
      const left = meant.filter(({ grantId }) => sandbox.grant(grantId) !== undefined).length;
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(people);

      const [log = ""] = readdirSync(cwd).filter((name) => name.endsWith(".jsonl"));
      expect(log).toMatch(/^zitadel-user-grants-.*\.jsonl$/);
      expect((await terminal(["resume", log], { keys: [asked] })).screen).toMatch(
        new RegExp(`${people - left}|decided`),
      );
      expect(meant.some(({ grantId }) => sandbox.grant(grantId) !== undefined)).toBe(false);
      expect(others.every((grantId) => sandbox.grant(grantId) !== undefined)).toBe(true);

      const verified = await terminal(["verify", log]);
      expect(verified.screen).toContain(`${count} as reported (gives none: not shown)`);
      expect(verified.screen).not.toMatch(/NOT as reported/);
      expect(verified.exitCode).toBe(0);

      const report = await terminal(["report", log, "--csv"]);
      for (const { grantId } of meant) {
        expect(report.screen).toContain(grantId);
      }

      const restored = await terminal(["restore", log, "--concurrency", "4"], { keys: [asked] });
      expect(restored.exitCode).toBe(0);
      await vi.waitFor(
        async () => {
          const { stdout } = await run(["list", ...selector, "--json"], { env });
          const back = stdout
            .trim()
            .split("\n")
            .map((text) => JSON.parse(text))
            .map(({ userId, roleKeys, state }) => ({ userId, roleKeys, state }));
          expect(sorted(back)).toEqual(
            sorted(meant.map(({ userId, roleKeys, state }) => ({ userId, roleKeys, state }))),
          );
        },
        { timeout: 10_000, interval: 100 },
      );
      expect(others.every((grantId) => sandbox.grant(grantId)?.state === "active")).toBe(true);
      await sandbox.close();
    });
  });
}

function sorted<T extends { readonly userId: string }>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => (a.userId < b.userId ? -1 : 1));
}
