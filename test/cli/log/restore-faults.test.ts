import { appendFileSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Fate, startFaultyGateway } from "../faulty-gateway.js";
import { logHarness } from "./harness.js";

const isAdd = (method: string, path: string) => method === "POST" && /\/grants$/.test(path);
const isDeactivate = (path: string) => path.endsWith("/_deactivate");
const notThere = { status: 503 };
const throttled = { status: 429 };
const badToken = {
  status: 401,
  body: {
    code: 16,
    message: "Errors.Token.Invalid (AUTH-7fs1e)",
    details: [
      {
        "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
        ...{ id: "AUTH-7fs1e", message: "Errors.Token.Invalid" },
      },
    ],
  },
};

describe.each(["v4", "v2.70"] as const)("restore when requests fail, %s", (generation) => {
  const { cli, entries, environment, newLog, server } = logHarness({ generation });
  let gateway: Awaited<ReturnType<typeof startFaultyGateway>>;
  let fate: (method: string, path: string) => Fate;
  beforeEach(async () => {
    fate = () => "pass";
    gateway = await startFaultyGateway(
      () => server().baseUrl,
      (method, path) => fate(method, path),
    );
  });
  afterEach(() => gateway.close());

  const throughGateway = (argv: readonly string[]) =>
    cli(argv, {
      env: { ...environment(), ZITADEL_URL: gateway.baseUrl, ZITADEL_PROTOCOL: "json" },
    });

  /** Adds grants with these states, removes them, and returns their users and the log. */
  async function removed(...states: readonly ("active" | "inactive")[]) {
    const users = states.map((state) => server().addGrant({ roleKeys: ["reader"], state }).userId);
    const log = newLog();
    const selectors = users.flatMap((userId) => ["--user", userId]);
    const { stderr } = await throughGateway(["remove", "--yes", "--log", log, ...selectors]);
    expect(stderr).toContain(`${states.length} removed`);
    return { users, log };
  }

  const restore = async (log: string, ...flags: string[]) => {
    const result = await throughGateway(["restore", log, "--yes", "--json", ...flags]);
    const lines = result.stdout.trim().split("\n").filter(Boolean);
    return { ...result, outcomes: lines.map((text) => JSON.parse(text)) };
  };

  /** The states of the grants that each user has now. */
  const statesOf = async (users: readonly string[]) => {
    const found: string[][] = [];
    for (const userId of users) {
      const { stdout } = await cli(["list", "--user", userId, "--json"]);
      const lines = stdout.trim().split("\n").filter(Boolean);
      found.push(lines.map((text) => JSON.parse(text).state));
    }
    return found;
  };

  /** Lets the first requests of a kind go wrong, one after another. */
  const first = (kind: (method: string, path: string) => boolean, ...fates: Fate[]) => {
    fate = (method, path) => (kind(method, path) ? (fates.shift() ?? "pass") : "pass");
  };

  it("adds no grant twice when responses are lost, and leaves no grant active that was inactive", async () => {
    const { users, log } = await removed("active", "inactive", "active", "inactive");
    first(isAdd, "lost", "lost", "lost", "lost");
    const { exitCode, outcomes, stderr } = await restore(log);
    expect(outcomes.map(({ restored }) => restored)).toEqual(users.map(() => "restored"));
    expect(stderr).toContain("4 restored, 0 were there already, 0 failed.");
    expect(await statesOf(users)).toEqual([["active"], ["inactive"], ["active"], ["inactive"]]);
    expect(exitCode).toBe(0);
    expect((await throughGateway(["verify", log])).exitCode).toBe(0);
  });

  it("retries transient failures of each step", async () => {
    const { users, log } = await removed("inactive");
    const fates: Fate[] = [notThere, throttled, "pass", throttled, "lost"];
    fate = (method, path) =>
      isAdd(method, path) || isDeactivate(path) ? (fates.shift() ?? "pass") : "pass";
    const { exitCode, outcomes } = await restore(log);
    expect(outcomes).toMatchObject([{ restored: "restored", state: "inactive" }]);
    expect(fates).toEqual([]);
    expect(await statesOf(users)).toEqual([["inactive"]]);
    expect(exitCode).toBe(0);
  });

  it("retries a reactivation, also if the first one was applied", async () => {
    const { userId, grantId } = server().addGrant({ roleKeys: ["reader"] });
    const log = newLog();
    await throughGateway(["deactivate", "--yes", "--log", log, "--user", userId]);
    first((_, path) => path.endsWith("/_reactivate"), notThere, "lost");
    const { exitCode, outcomes } = await restore(log);
    expect(outcomes).toEqual([{ grantId, restored: "reactivated", state: "active" }]);
    expect(server().grant(grantId)?.state).toBe("active");
    expect(exitCode).toBe(0);
  });

  it("reports a grant that it cannot deactivate again, and does it the next time", async () => {
    const { users, log } = await removed("inactive");
    fate = (_, path) => (isDeactivate(path) ? badToken : "pass");
    const aborted = await restore(log);
    expect(aborted.outcomes).toMatchObject([{ restored: "left-active", state: "active" }]);
    expect(aborted.stderr).toContain("1 LEFT ACTIVE that were inactive");
    expect(aborted.stderr).toMatch(/aborted: Unauthenticated AUTH-7fs1e/);
    expect(aborted.exitCode).toBe(4);
    fate = () => "pass";
    const verified = await throughGateway(["verify", log]);
    expect(verified.stderr).toMatch(/A restore of \d+ was not finished: it may be active/);
    expect(verified.exitCode).toBe(2);
    const { exitCode, outcomes } = await restore(log);
    expect(outcomes).toMatchObject([{ restored: "restored", state: "inactive" }]);
    expect(await statesOf(users)).toEqual([["inactive"]]);
    expect(exitCode).toBe(0);
  });

  it("recognizes a grant as its own only if it was added at the time of a lost attempt", async () => {
    const { users, log } = await removed("inactive", "inactive");
    const [ours = "", theirs = ""] = users;
    const grants = users.map((userId) => server().addGrant({ userId, roleKeys: ["reader"] }));
    const removedIds = entries(log).flatMap(({ grants: list }) =>
      Array.isArray(list) ? list.map(({ grantId }) => String(grantId)) : [],
    );
    const step = (number: number, at: string) =>
      JSON.stringify({ step: `x-${number}`, at, do: "add", grantId: removedIds[number] });
    appendFileSync(
      log,
      `${[
        '{"restore":"started","at":"2026-11-24T09:00:00.000Z","accountId":"1"}',
        step(0, new Date().toISOString()),
        step(1, "2026-01-01T00:00:00.000Z"),
      ].join("\n")}\n`,
    );
    const { exitCode, outcomes } = await restore(log);
    expect(outcomes).toContainEqual({
      ...{ grantId: removedIds[0], restored: "restored" },
      ...{ newGrantId: grants[0]?.grantId, state: "inactive" },
    });
    expect(outcomes).toContainEqual({
      ...{ grantId: removedIds[1], restored: "left-active" },
      ...{ newGrantId: grants[1]?.grantId, state: "active" },
      error: { code: 6, message: expect.stringMatching(/earlier attempt .* may have added it/) },
    });
    expect(await statesOf([ours, theirs])).toEqual([["inactive"], ["active"]]);
    expect(exitCode).toBe(2);
  });

  it("finds a grant at once whose removal was not applied", async () => {
    const { userId, grantId } = server().addGrant({ roleKeys: ["reader"] });
    const log = newLog();
    fate = (method) => (method === "DELETE" ? badToken : "pass");
    await throughGateway(["remove", "--yes", "--log", log, "--user", userId]);
    fate = () => "pass";
    // As after a kill: the request is in the log, and no response.
    const lines = readFileSync(log, "utf8").split("\n");
    const request = lines.find((text) => text.startsWith('{"request":')) ?? "";
    appendFileSync(log, `${request.replace(/-\d+"/, '-99"')}\n`);
    gateway.seen.length = 0;
    const { exitCode, outcomes } = await restore(log);
    expect(outcomes).toEqual([{ grantId, restored: "already-there", state: "active" }]);
    expect(gateway.seen.filter((request) => request.includes("_search"))).toEqual([]);
    expect(exitCode).toBe(0);
  });
});
