import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LogLock } from "../../../src/cli/log/lock.js";
import { logHarness } from "./harness.js";

describe.each(["v4", "v2.70"] as const)("restore, %s", (generation) => {
  const { begun, cli, entries, environment, file, server } = logHarness({ generation });
  let logs = 0;

  /** A grant of a new user, as `list` tells of it. */
  const recordedGrant = (state: "active" | "inactive" = "active", roleKeys = ["reader"]) => {
    const { userId, grantId } = server().addGrant({ roleKeys, state });
    const recorded = { state, roleKeys, projectId: server().projectId };
    return { grantId, userId, recorded };
  };

  /** Runs a command over grants with a recorded state, and returns its log. */
  async function ran(command: "remove" | "deactivate", grants: readonly unknown[]) {
    const log = file(
      `restore-${generation}-${logs++}.jsonl`,
      begun(grants).replace('"remove"', JSON.stringify(command)),
    );
    const { stderr } = await cli(["resume", log, "--yes", "--allow-unknown"]);
    expect(stderr).toMatch(/removed|deactivated/);
    return log;
  }

  const outcomes = (stdout: string): Record<string, unknown>[] =>
    stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text));

  const restore = (log: string, ...flags: string[]) =>
    cli(["restore", log, "--yes", "--json", ...flags]);

  it("adds removed grants again, and deactivates those that were inactive", async () => {
    const [active, inactive] = [
      recordedGrant("active", ["reader", "writer"]),
      recordedGrant("inactive"),
    ];
    const log = await ran("remove", [active, inactive, "999"]);
    const { exitCode, stdout, stderr } = await restore(log);
    expect(stderr).toContain("2 to add again, of 2 users; 1 of them inactive");
    expect(stderr).toContain("1: the run did not change it");
    expect(exitCode).toBe(0);
    for (const { grantId, newGrantId } of outcomes(stdout)) {
      const before = grantId === active.grantId ? active : inactive;
      expect(server().grant(String(newGrantId))).toMatchObject({
        ...{ userId: before.userId, state: before.recorded.state },
        roleKeys: before.recorded.roleKeys,
      });
    }
    const verified = await cli(["verify", log]);
    for (const effect of ["gives roles", "gives none: inactive", "gives none: not shown"]) {
      expect(verified.stderr).toContain(`1 as reported (${effect})`);
    }
  });

  it("does nothing a second time, and a restored run is not resumed", async () => {
    const log = await ran("remove", [recordedGrant()]);
    await restore(log);
    const before = readFileSync(log, "utf8");
    const again = await restore(log);
    expect(again.stderr).toContain("1: it is restored already");
    expect([again.exitCode, again.stdout]).toEqual([0, ""]);
    const resumed = await cli(["resume", log, "--yes"]);
    expect(resumed.stderr).toMatch(/has been restored/);
    expect(resumed.exitCode).toBe(1);
    expect(readFileSync(log, "utf8")).toBe(before);
  });

  it("reactivates what was active, and nothing that was inactive before", async () => {
    const [active, inactive] = [recordedGrant("active"), recordedGrant("inactive")];
    const log = await ran("deactivate", [active, inactive]);
    const { exitCode, stdout, stderr } = await restore(log);
    expect(outcomes(stdout)).toEqual([
      { grantId: active.grantId, restored: "reactivated", state: "active" },
    ]);
    expect(stderr).toMatch(/1: (?:it was inactive before|the run did not change it)/);
    expect(server().grant(active.grantId)?.state).toBe("active");
    expect(server().grant(inactive.grantId)?.state).toBe("inactive");
    expect(exitCode).toBe(0);
  });

  it("counts a grant that is already active again as there", async () => {
    const grant = recordedGrant();
    const log = await ran("deactivate", [grant]);
    await cli(["restore", log, "--yes"]);
    const earlier = readFileSync(log, "utf8");
    const withoutRestore = earlier.slice(0, earlier.indexOf('{"run":"restored"'));
    const copy = file(`copy-${generation}.jsonl`, withoutRestore);
    const { exitCode, stdout } = await restore(copy);
    expect(outcomes(stdout)[0]?.restored).toBe(
      generation === "v4" ? "reactivated" : "already-there",
    );
    expect(exitCode).toBe(0);
  });

  it("skips what has no recorded state, and names it", async () => {
    const bare = server().addGrant();
    const log = await ran("remove", [bare.grantId, recordedGrant()]);
    const { exitCode, stderr } = await restore(log);
    expect(stderr).toContain("1: its state before the run is not recorded");
    expect(stderr).toContain(`${bare.grantId} cannot be restored`);
    expect(stderr).toContain("1 restored");
    expect(exitCode).toBe(2);
  });

  it("accepts an equivalent grant, and reports another one as a failure", async () => {
    const [same, other, active] = [recordedGrant(), recordedGrant(), recordedGrant("inactive")];
    const log = await ran("remove", [same, other, active]);
    const there = server().addGrant({ userId: same.userId, roleKeys: ["reader"] });
    const different = server().addGrant({ userId: other.userId, roleKeys: ["writer"] });
    const stillActive = server().addGrant({ userId: active.userId, roleKeys: ["reader"] });
    const { exitCode, stdout } = await restore(log);
    expect(outcomes(stdout)).toContainEqual({
      ...{ grantId: same.grantId, restored: "already-there" },
      ...{ newGrantId: there.grantId, state: "active" },
    });
    const failure = (message: RegExp) => ({ code: 6, message: expect.stringMatching(message) });
    expect(outcomes(stdout)).toContainEqual({
      ...{ grantId: other.grantId, restored: "failed" },
      error: failure(new RegExp(`has grant ${different.grantId} .* roles writer, active`)),
    });
    expect(outcomes(stdout)).toContainEqual({
      ...{ grantId: active.grantId, restored: "failed" },
      error: failure(/which is active; it was inactive before the run/),
    });
    expect(server().grant(different.grantId)?.roleKeys).toEqual(["writer"]);
    expect(server().grant(stillActive.grantId)?.state).toBe("active");
    expect(exitCode).toBe(2);
  });

  it("continues after a kill: added grants are finished, and possibly added ones are compared", async () => {
    const [added, lost] = [recordedGrant("inactive"), recordedGrant()];
    const log = await ran("remove", [added, lost]);
    const addedAnew = server().addGrant({ userId: added.userId, roleKeys: ["reader"] });
    const lostAnew = server().addGrant({ userId: lost.userId, roleKeys: ["reader"] });
    const killed = [
      '{"restore":"started","at":"2026-11-24T09:00:00.000Z","accountId":"1"}',
      `{"step":"b-1","do":"add","grantId":"${added.grantId}"}`,
      `{"stepResponse":"b-1","ok":true,"newGrantId":"${addedAnew.grantId}"}`,
      `{"step":"b-2","do":"add","grantId":"${lost.grantId}"}`,
      '{"stepAnsw',
    ].join("\n");
    const path = file(`killed-${generation}.jsonl`, readFileSync(log, "utf8") + killed);
    // Neither is in the log as restored, and both may be active.
    expect((await cli(["verify", path])).exitCode).toBe(2);
    const { exitCode, stdout } = await restore(path);
    expect(outcomes(stdout)).toContainEqual({
      ...{ grantId: added.grantId, restored: "restored" },
      ...{ newGrantId: addedAnew.grantId, state: "inactive" },
    });
    expect(outcomes(stdout)).toContainEqual({
      ...{ grantId: lost.grantId, restored: "already-there" },
      ...{ newGrantId: lostAnew.grantId, state: "active" },
    });
    expect(server().grant(addedAnew.grantId)?.state).toBe("inactive");
    expect(exitCode).toBe(0);
    expect(entries(path).filter(({ restored }) => restored !== undefined)).toHaveLength(2);
  });

  it("lists what ZITADEL has lost, and is not done then", async () => {
    const [lost, shown] = [recordedGrant(), recordedGrant()];
    const log = await ran("remove", [lost, shown]);
    server().skipNextProjections(1);
    const { exitCode, stdout, stderr } = await restore(log);
    const [{ newGrantId } = {}] = outcomes(stdout);
    expect(stderr).toContain(`${newGrantId} is not shown`);
    expect(stderr).toMatch(/1 of 2 grants are confirmed by the server and not in effect/);
    expect(exitCode).toBe(2);
    const unchecked = await ran("remove", [recordedGrant()]);
    server().skipNextProjections(1);
    expect((await restore(unchecked, "--no-check")).exitCode).toBe(0);
  });

  it("is not said to be lost by ZITADEL for certain when somebody has changed it since", async () => {
    const grant = recordedGrant();
    const log = await ran("deactivate", [grant]);
    await restore(log);
    await cli(["deactivate", grant.grantId, "--yes", "--no-log"]);
    const { exitCode, stderr } = await cli(["verify", log]);
    expect(stderr).toContain("unless somebody has changed them since");
    expect(stderr).not.toContain("Until then, deactivate the user");
    expect(exitCode).toBe(2);
  });

  it("shows who gets what before it asks", async () => {
    const log = await ran("remove", [recordedGrant("active", ["reader", "\u202ewriter"])]);
    const { stderr } = await cli(["restore", log, "--dry-run"]);
    expect(stderr).toMatch(/By role\n +1 {2}reader\n +1 {2}\\u\{202e\}writer\n/);
    expect(stderr.indexOf("By role")).toBeLessThan(stderr.indexOf("Organization"));
  });

  it("does nothing in a dry run, nor without permission", async () => {
    const grant = recordedGrant();
    const log = await ran("remove", [grant]);
    const before = readFileSync(log, "utf8");
    const dry = await cli(["restore", log, "--dry-run"]);
    expect(dry.stderr).toContain("1 to add again, of 1 user");
    expect(readFileSync(log, "utf8")).toBe(before);
    const { token } = server().addUser({ roles: ["ORG_OWNER_VIEWER"] });
    const refused = await cli(["restore", log, "--yes"], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(refused.stderr).toMatch(/aborted: .*AUTH-5mWD2/);
    expect([dry.exitCode, refused.exitCode]).toEqual([0, 4]);
    expect((await restore(log)).exitCode).toBe(0);
  });

  it("only reads in a dry run: it works beside a run that is writing", async () => {
    const log = await ran("remove", [recordedGrant()]);
    const lock = LogLock.take(log);
    expect((await cli(["restore", log, "--dry-run"])).exitCode).toBe(0);
    expect(lock.held).toBe(true);
    expect((await restore(log)).stderr).toMatch(/Another run is writing .*Wait/);
    lock.release();
    expect((await restore(log)).exitCode).toBe(0);
  });
});
