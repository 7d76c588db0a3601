import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ManagementService } from "../../gen/tool/management_pb.js";
import { compareChanges } from "../../src/cli/commands/revoke/repair.js";
import { look } from "../../src/cli/grants/effect.js";
import type { Lookup, PageRequest } from "../../src/cli/grants/lookup.js";
import { isComplete, readEach, readList } from "../../src/cli/grants/read.js";
import type { GrantRecord } from "../../src/cli/grants/record.js";
import { platform } from "../../src/common/time.js";
import { createTransport } from "../../src/grpc.js";
import { type SandboxOptions, type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { createImpatientEnvironment, FakeEnvironment } from "../support/fake-environment.js";
import { run, type Setting } from "./run.js";

// What is not shown is waited for for ten seconds, which pass at once.
const environment = createImpatientEnvironment();

const directory = mkdtempSync(join(tmpdir(), "cli-effect-"));
afterAll(() => rmSync(directory, { recursive: true }));
let logs = 0;

/** A sandbox with this many grants of one project, and the command line against it. */
async function setUp(count: number, options: SandboxOptions = {}) {
  const sandbox = await startSandbox(options);
  const { projectId } = sandbox.addProject({ name: "Billing", roleKeys: ["reader"] });
  const add = () => sandbox.addGrant({ projectId, roleKeys: ["reader"] }).grantId;
  const ids = Array.from({ length: count }, add);
  const env = { ZITADEL_URL: sandbox.baseUrl, ZITADEL_TOKEN: sandbox.token };
  const log = join(directory, `run-${logs++}.jsonl`);
  const cli = (argv: readonly string[], setting: Setting = {}) =>
    run(argv, { env, environment, ...setting });
  const revoke = (command: string, ...more: string[]) =>
    cli([command, "--project", "Billing", "--yes", "--log", log, ...more]);
  return { sandbox, add, ids, log, cli, revoke };
}

/** Another client changes a grant. */
async function reactivate({ baseUrl, token }: SandboxServer, grantId: string): Promise<void> {
  const client = createClient(ManagementService, createTransport({ baseUrl, token }));
  await client.reactivateUserGrant({ userId: "1", grantId });
}

const skippedLine = /\S+ still gives roles \(User/g;

describe.concurrent.each(["v4", "v2.70"] as const)(
  "a deactivation against ZITADEL %s",
  (generation) => {
    it("is done when ZITADEL shows it", async () => {
      const { sandbox, cli } = await setUp(150, { generation, projectionDelayMs: 500 });
      await vi.waitFor(
        async () => expect((await cli(["list"])).stderr).toContain("150 grants"),
        9000,
      );
      const { exitCode, stderr } = await cli(
        ["deactivate", "--project", "Billing", "--yes", "--no-log"],
        { environment: platform },
      );
      expect(stderr).toMatch(/Waiting until ZITADEL shows it/);
      expect(stderr).toMatch(/150 confirmed by the server; in effect: 150 of 150/);
      expect(exitCode).toBe(0);
      await sandbox.close();
    });

    it("that was confirmed and is not shown is listed, and repaired on request alone", async () => {
      const { sandbox, cli, log, revoke, ids } = await setUp(120, { generation });
      sandbox.skipNextProjections(1);
      const first = await revoke("deactivate");
      expect(first.stderr.match(skippedLine)).toHaveLength(1);
      expect(first.stderr).toContain("120 confirmed by the server; in effect: 119 of 120.");
      expect(first.stderr).toMatch(
        /Repair, which gives access back for a moment: .* verify --repair/,
      );
      expect(first.exitCode).toBe(2);
      const repaired = await cli(["verify", log, "--repair"]);
      expect(repaired.stderr).toContain("1 grant deactivated again.");
      expect(repaired.exitCode).toBe(0);
      expect((await cli(["verify", log])).exitCode).toBe(0);
      expect(ids.every((id) => sandbox.grant(id)?.state === "inactive")).toBe(true);
      const steps = readFileSync(log, "utf8").match(/"do":"\w+"/g);
      expect(steps).toEqual(['"do":"reactivate"', '"do":"deactivate"']);
      await sandbox.close();
    });

    it("says why it could not be repaired, and how to continue", async () => {
      const { sandbox, cli, revoke, log, ids } = await setUp(2, { generation });
      sandbox.skipNextProjections(1);
      await revoke("deactivate", "--no-check");
      const rejected = { code: Code.Unauthenticated, id: "AUTH-7fs1e" };
      sandbox.failNext({ rpc: "ReactivateUserGrant", ...rejected });
      const { exitCode, stderr } = await cli(["verify", log, "--repair"]);
      expect(stderr).toMatch(
        /The repair was aborted: Unauthenticated AUTH-7fs1e.* Continue with: .*verify --repair/,
      );
      expect(exitCode).toBe(4);
      expect(ids.every((id) => sandbox.grant(id)?.state === "inactive")).toBe(true);
      await sandbox.close();
    });

    it("by a lost reactivation stays undecided: it may be applied late", async () => {
      const { sandbox, revoke } = await setUp(3, { generation });
      sandbox.skipNextProjections(1);
      sandbox.failNext({ rpc: "ReactivateUserGrant", lost: true, applyAfterMs: 500 });
      const { exitCode, stderr } = await revoke("deactivate", "--repair");
      expect(stderr).toMatch(
        /Undecided: \d+ may be active: the response to its reactivation was lost/,
      );
      expect(exitCode).toBe(2);
      await sandbox.close();
    });
  },
);

describe.concurrent("a look at the effect", () => {
  it("takes many grants that are not shown for a projection that stands still", async () => {
    const { sandbox, revoke, log } = await setUp(30);
    sandbox.skipNextProjections(4);
    const { exitCode, stderr } = await revoke("deactivate", "--repair");
    expect(stderr).toMatch(/Nothing is repaired: 4 of 30 are too many/);
    expect(readFileSync(log, "utf8")).not.toContain('"do":"reactivate"');
    expect(exitCode).toBe(2);
    await sandbox.close();
  });

  it("is over with --repair, which gives access back for a moment", async () => {
    const { sandbox, revoke } = await setUp(3);
    sandbox.skipNextProjections(1);
    const { exitCode, stderr } = await revoke("deactivate", "--repair");
    expect(stderr).toContain("1 grant deactivated again.");
    expect(exitCode).toBe(0);
    await sandbox.close();
  });

  it("leaves alone what somebody else has activated again", async () => {
    const { sandbox, cli, revoke, log, ids } = await setUp(3);
    await revoke("deactivate");
    await reactivate(sandbox, ids[1] ?? "");
    for (const argv of [
      ["verify", log, "--repair"],
      ["verify", log],
      ["resume", log, "--yes"],
      ["resume", log, "--yes", "--quiet"],
    ]) {
      const { exitCode, stderr } = await cli(argv);
      expect(stderr).toContain(`${ids[1]} was changed again since this run: it is left alone.`);
      expect(stderr).not.toMatch(/lose an event|Repair, which/);
      expect(sandbox.grant(ids[1] ?? "")?.state).toBe("active");
      expect(stderr.includes("in effect: 2 of 3")).toBe(argv[0] === "resume");
      expect(exitCode).toBe(2);
    }
    await sandbox.close();
  });

  it.each([1, 2])("finishes a begun repair at Ctrl-C, pressed %i times", async (times) => {
    let press = () => {};
    const { sandbox, cli, log } = await setUp(3, {
      onRequest({ method }) {
        if (method === "ReactivateUserGrant") {
          press();
        }
      },
    });
    sandbox.skipNextProjections(1);
    const argv = ["deactivate", "--project", "Billing", "--yes", "--log", log, "--repair"];
    const { exitCode, stderr } = await cli(argv, {
      onOutput(text, { interrupt }) {
        if (text.includes("in effect: 2 of 3")) {
          // The deactivation that ends the repair.
          sandbox.failNext({ rpc: "DeactivateUserGrant", delayMs: 2000 });
          press = () => Array.from({ length: times }, interrupt);
        }
      },
    });
    const [, left] = stderr.match(/Left at once: (\d+) may be active/) ?? [];
    const repaired = stderr.includes("1 grant deactivated again.");
    expect([left !== undefined, repaired]).toEqual([times === 2, times === 1]);
    expect(exitCode).toBe(3);
    // What was left is finished by the next command.
    const resumed = await cli(["resume", log, "--yes"]);
    expect(resumed.stderr.includes(`may have left 1 grant active`)).toBe(times === 2);
    expect(resumed.exitCode).toBe(0);
    await sandbox.close();
  });

  it("lists removed grants that are still shown, which no client can repair", async () => {
    const { sandbox, cli, revoke, log } = await setUp(30);
    sandbox.skipNextProjections(1);
    const { exitCode, stderr } = await revoke("remove");
    expect(stderr.match(skippedLine)).toHaveLength(1);
    expect(stderr).toMatch(/A client cannot repair that\. The operator can/);
    expect(exitCode).toBe(2);
    const verified = await cli(["verify", log, "--repair"]);
    expect(verified.stderr).toMatch(/A client cannot repair that\. The operator can/);
    expect(verified.exitCode).toBe(2);
    expect(readFileSync(log, "utf8")).not.toContain('"do":');
    await sandbox.close();
  });

  it("is not whole where a name fits several projects after the run, which is no wrong usage", async () => {
    const { sandbox, add, revoke } = await setUp(1, {
      onRequest({ method }) {
        if (method === "BulkRemoveUserGrant") {
          add();
          const { projectId } = sandbox.addProject({ name: "Billing" });
          sandbox.addGrant({ projectId });
        }
      },
    });
    const { exitCode, stderr } = await revoke("remove");
    expect(stderr).toMatch(/What is left could not be read to the end: .*fits 2 projects/);
    expect(exitCode).toBe(2);
    await sandbox.close();
  });

  it("searches again for what was selected, and lists what is there", async () => {
    const { sandbox, add, cli } = await setUp(150, { requestLatencyMs: 5 });
    let late: string | undefined;
    const { exitCode, stderr } = await cli(
      ["remove", "--project", "Billing", "--yes", "--no-log"],
      {
        onOutput(text) {
          if (text.includes("removed")) {
            late ??= add();
          }
        },
      },
    );
    expect(stderr).toContain(`${late} matches what was selected, and is there`);
    expect(exitCode).toBe(2);
    await sandbox.close();
  });

  it("says that it could not look, and --no-check that it did not", async () => {
    const { sandbox, cli, ids } = await setUp(2);
    const denied = { code: Code.PermissionDenied, id: "AUTH-5mWD2", times: 9 };
    const argv = ["remove", "--yes", "--no-log", "--no-record"];
    sandbox.failNext({ ...denied, rpc: "GetUserGrantByID" });
    const blind = await cli([...argv, ids[0] ?? ""]);
    expect(blind.stderr).toMatch(/in effect could not be looked at: .*user\.grant\.read/);
    expect(blind.exitCode).toBe(2);
    const unchecked = await cli([...argv, ids[1] ?? "", "--no-check"]);
    expect(unchecked.stderr).toContain("was not looked at (--no-check)");
    expect(unchecked.exitCode).toBe(0);
    await sandbox.close();
  });

  it("counts nothing as gone where the request for many of them does not get through", async () => {
    const { sandbox, cli, ids } = await setUp(200);
    sandbox.skipNextProjections(200);
    // The first one asks whether there is this method.
    sandbox.failNext({ rpc: "ListAuthorizations", delayMs: 1 });
    sandbox.failNext({ rpc: "ListAuthorizations", code: Code.Unimplemented });
    const argv = ["deactivate", "--yes", "--no-log", "--no-record"];
    const { exitCode, stderr } = await cli(argv, { stdin: ids.join("\n") });
    expect(stderr).toContain("in effect: 0 of 200");
    expect(exitCode).toBe(2);
    await sandbox.close();
  });

  it("counts nothing as gone that a response had no room for", async () => {
    const ids = Array.from({ length: 200 }, (_, n) => `g${n}`);
    const lookup = {
      mayReadAllGrants: async () => true,
      listGrants: async () => ({ records: [], total: 1e6, version: "" }),
      // A server that shows at most 50 rows, whatever was asked for.
      listAuthorizations: async ({ grantIds = [] }: { grantIds?: readonly string[] }) => ({
        records: grantIds.slice(0, 50).map((grantId) => ({ grantId }) as GrantRecord),
        ...{ total: grantIds.length, version: "" },
      }),
      getGrant: async (grantId: string) => ({ grantId }) as GrantRecord,
    } as Partial<Lookup> as Lookup;
    for await (const shown of readEach(lookup, ids, { orgId: "1" })) {
      expect([...shown.values()]).not.toContain(undefined);
    }
  });

  it("knows a repair that was killed between its two steps: resume deactivates first", async () => {
    const { sandbox, cli, revoke, log, ids } = await setUp(3);
    await revoke("deactivate");
    await reactivate(sandbox, ids[0] ?? "");
    const step = { step: "killed-1", at: "2026-11-30T12:00:00Z", do: "reactivate", repair: true };
    appendFileSync(log, `${JSON.stringify({ ...step, grantId: ids[0] })}\n`);
    const verified = await cli(["verify", log]);
    expect(verified.stderr).toContain(`A repair of ${ids[0]} was not finished: it may be active.`);
    expect(verified.exitCode).toBe(2);
    const resumed = await cli(["resume", log, "--yes"]);
    expect(resumed.stderr).toMatch(/may have left 1 grant active: deactivating first/);
    expect(resumed.exitCode).toBe(0);
    expect(sandbox.grant(ids[0] ?? "")?.state).toBe("inactive");
    expect((await cli(["verify", log])).exitCode).toBe(0);
    await sandbox.close();
  });

  it("leaves alone what a restore has activated after an interrupted repair", async () => {
    const { sandbox, cli, revoke, log, ids } = await setUp(1);
    await revoke("deactivate");
    const step = { step: "killed-1", at: "2026-11-30T12:00:00Z", do: "reactivate", repair: true };
    appendFileSync(log, `${JSON.stringify({ ...step, grantId: ids[0] })}\n`);
    expect((await cli(["restore", log, "--yes"])).exitCode).toBe(0);
    expect((await cli(["verify", log, "--repair"])).exitCode).toBe(0);
    expect(sandbox.grant(ids[0] ?? "")?.state).toBe("active");
    await sandbox.close();
  });

  it.each(["v4", "v2.70"] as const)(
    "repairs again what an interrupted repair has not reached, %s",
    async (generation) => {
      const { sandbox, cli, revoke, log, ids } = await setUp(1, { generation });
      sandbox.skipNextProjections(1);
      await revoke("deactivate", "--no-check");
      // Killed before the reactivation was sent.
      const step = { step: "killed-1", at: "2026-11-30T12:00:00Z", do: "reactivate", repair: true };
      appendFileSync(log, `${JSON.stringify({ ...step, grantId: ids[0] })}\n`);
      const { exitCode, stderr } = await cli(["verify", log, "--repair"]);
      expect(stderr).not.toContain("changed again since");
      expect(exitCode).toBe(0);
      await sandbox.close();
    },
  );
});

describe.concurrent("what belongs together", () => {
  it("is finished at Ctrl-C, and nothing else is sent", async () => {
    const { sandbox, add, cli, revoke, log, ids } = await setUp(1);
    await revoke("deactivate");
    await reactivate(sandbox, ids[0] ?? "");
    const next = add();
    const step = { step: "killed-1", do: "reactivate", repair: true, grantId: ids[0] };
    appendFileSync(log, `${JSON.stringify({ grants: [next] })}\n${JSON.stringify(step)}\n`);
    const { exitCode } = await cli(["resume", log, "--yes", "--no-check"], {
      onOutput: (text, { interrupt }) => text.includes("deactivating first") && interrupt(),
    });
    expect([ids[0], next].map((id) => sandbox.grant(id ?? "")?.state)).toEqual([
      "inactive",
      "active",
    ]);
    expect(exitCode).toBe(3);
    await sandbox.close();
  });

  it("is finished though the log can no longer be written", async () => {
    let log = "";
    const world = await setUp(0, {
      onRequest({ method }) {
        if (method === "AddUserGrant") {
          rmSync(`${log}.lock`);
        }
      },
    });
    const { sandbox, cli } = world;
    log = world.log;
    const { userId, grantId } = sandbox.addGrant({ state: "inactive" });
    await cli(["remove", grantId, "--yes", "--log", log]);
    const restored = await cli(["restore", log, "--yes"]);
    expect(restored.stderr).toMatch(/The restore was stopped: .*lock was deleted/);
    expect(restored.exitCode).toBe(3);
    const shown = await cli(["list", "--user", userId, "--json"]);
    expect(JSON.parse(shown.stdout).state).toBe("inactive");
    await sandbox.close();
  });

  it("is not done, also with --no-check, if it could not be finished", async () => {
    const { sandbox, cli, revoke, log, ids } = await setUp(1);
    await revoke("deactivate");
    const step = { step: "killed-1", do: "reactivate", repair: true, grantId: ids[0] };
    appendFileSync(log, `${JSON.stringify(step)}\n`);
    sandbox.failNext({ rpc: "DeactivateUserGrant", code: Code.FailedPrecondition });
    const { exitCode, stderr } = await cli(["resume", log, "--yes", "--no-check"]);
    expect(stderr).toContain(`Undecided: ${ids[0]} may be active: it could not be deactivated`);
    expect(exitCode).toBe(2);
    await sandbox.close();
  });
});

describe("the wait for the read model", () => {
  async function waited(shownAfterMs: readonly number[]) {
    const time = new FakeEnvironment();
    const ids = shownAfterMs.map((_, index) => String(index));
    const active = { state: "active" } as GrantRecord;
    let reads = 0;
    const reader = {
      async getGrant(id: string) {
        reads += 1;
        return time.monotonicMs() >= (shownAfterMs[Number(id)] ?? 0) ? undefined : active;
      },
    } as unknown as Lookup;
    const looking = look(new Map(ids.map((id) => [id, "gone"])), {
      ...{ reader, identity: { orgId: "" }, rate: undefined },
      stopSwitch: { stopSignal: new AbortController().signal },
      ...{ quiet: true, io: { stderr: process.stderr, environment: time } },
    });
    const missing = (await time.run(looking))?.others.size;
    return { missing, ms: time.monotonicMs(), reads };
  }

  it("is ten seconds, and longer as long as there is less of it each time", async () => {
    expect(await waited([0, 0])).toMatchObject({ missing: 0, reads: 2 });
    expect(await waited([9000, 18_000, 27_000])).toMatchObject({ missing: 0 });
    const stuck = await waited([0, Number.POSITIVE_INFINITY]);
    expect(stuck).toMatchObject({ missing: 1 });
    expect(stuck.ms).toBeGreaterThanOrEqual(10_000);
    expect(stuck.ms).toBeLessThan(10_500);
    expect(stuck.reads).toBeLessThan(12);
  });
});

it.each([
  [{ sequence: "9" }, { sequence: "10" }, -1],
  [{ sequence: "2", changeDate: "b" }, { sequence: "2", changeDate: "a" }, 0],
  [{ changeDate: "2026-11-30T15:39:49.88Z" }, { changeDate: "2026-11-30T15:39:49.887Z" }, -1],
  [{ changeDate: "2026-11-30T15:39:50Z" }, { changeDate: "2026-11-30T15:39:49.999999Z" }, 1],
  [{ changeDate: "2026-11-30T15:39:50.1Z" }, { changeDate: "2026-11-30T15:39:50.100000Z" }, 0],
])("the change %j against %j is %i", (a, b, expected) => {
  expect(compareChanges(a, b)).toBe(expected);
});

describe("the ordered list", () => {
  const grantsFrom = (first: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ grantId: `g${first + n}` }) as GrantRecord);
  /** A server that has 5,500 grants in pages of 500; `change` is called before each page of the ordered list. */
  const end = async (
    change: (rows: GrantRecord[], page: number) => void,
    isVisible = (_: GrantRecord) => true,
  ) => {
    const rows = grantsFrom(10_000, 5500);
    let pages = 0;
    const lookup = {
      listGrants: async (_: unknown, { offset, limit }: PageRequest) =>
        limit > 500
          ? undefined
          : { records: rows.slice(offset, offset + limit), total: rows.length, version: "" },
      listAuthorizations: async (_: unknown, { offset, limit }: PageRequest) => {
        change(rows, pages++);
        const records = rows.slice(offset, offset + limit).filter(isVisible);
        return { records, total: rows.length, version: "" };
      },
      getGrant: async (grantId: string) => rows.find((row) => row.grantId === grantId),
    } as Partial<Lookup> as Lookup;
    const list = readList(lookup, [], "1");
    for (let next = await list.next(); ; next = await list.next()) {
      if (next.done) {
        return next.value;
      }
    }
  };

  it("is complete while nothing but its end changes", async () => {
    const grown = await end((rows, page) => rows.push(...grantsFrom(90_000 + page, 1)));
    expect(isComplete(grown)).toBe(true);
  });

  it("counts what the account may see, also where pages have nothing of it", async () => {
    const isVisible = ({ grantId }: GrantRecord) => grantId < "g10003" || grantId === "g14000";
    const seen = await end(() => undefined, isVisible);
    expect(seen).toMatchObject({ read: 4, total: 5500, hidden: true });
  });

  it("is not where rows before its page are removed, also if as many are added", async () => {
    const swapped = await end((rows, page) => {
      if (page === 3) {
        rows.splice(10, 1);
        rows.push(...grantsFrom(90_000, 1));
      }
    });
    expect(swapped).toMatchObject({ changed: true, hidden: false });
    expect(isComplete(swapped)).toBe(false);
  });
});
