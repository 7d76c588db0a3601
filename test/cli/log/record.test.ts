import { describe, expect, it } from "vitest";
import { logHarness } from "./harness.js";

const { add, cli, directory, entries, environment, file, newLog, server } = logHarness();

describe("a run over bare ids", () => {
  it("reads them first, and can be undone", async () => {
    const roleKeys = ["reader", "writer"];
    const given = [
      server().addGrant({ roleKeys }),
      server().addGrant({ roleKeys, state: "inactive" }),
    ];
    const log = newLog();
    const ids = given.map(({ grantId }) => grantId);
    const { stderr } = await cli(["remove", ...ids, "999", "--yes", "--log", log]);
    expect(stderr).toContain("3 to remove, of 2 users; 1 of them inactive; 1 not found");
    expect(entries(log)[1]?.grants).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...given[0],
          recorded: expect.objectContaining({ state: "active", roleKeys, sequence: "1" }),
        }),
        { grantId: "999" },
      ]),
    );
    const { exitCode, stdout } = await cli(["restore", log, "--yes", "--json"]);
    expect(exitCode).toBe(0);
    const restored = stdout
      .trim()
      .split("\n")
      .map((text) => server().grant(JSON.parse(text).newGrantId));
    expect(restored.map((grant) => grant?.state).toSorted()).toEqual(["active", "inactive"]);
    expect(restored.map((grant) => grant?.roleKeys)).toEqual([roleKeys, roleKeys]);
  });

  it("says what is lost where they are not read: with --no-record, and without permission", async () => {
    const [a, b] = add(2) as [string, string];
    const unread = await cli(["remove", a, "--no-record", "--yes", "--log", newLog()]);
    expect(unread.stderr).toMatch(/Undo {10}not possible for 1 grant/);
    expect(unread.stderr).not.toContain("Undo: ");
    const unlogged = await cli(["remove", "999", "--yes", "--no-log"]);
    expect(unlogged.stderr).toMatch(/Undo {10}not possible, as no log is written/);
    const { token } = server().addUser({ roles: ["ORG_USER_SELF_MANAGER"] });
    const { exitCode, stderr } = await cli(["remove", b, "--yes", "--log", newLog()], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(stderr).toMatch(
      /The grants are not read first: .*user\.grant\.read.*cannot be restored/,
    );
    expect(exitCode).toBe(4);
    expect(server().grant(b)).toBeDefined();
  });
});

describe.each(["csv", "json"])("a run over what list writes as %s", (output) => {
  it("can be undone", async () => {
    const { projectId } = server().addProject({ roleKeys: ["=x", "a,b"] });
    const { grantId } = server().addGrant({
      projectId,
      roleKeys: ["=x", "a,b"],
      state: "inactive",
    });
    const { stdout } = await cli(["list", "--project", projectId, `--${output}`]);
    const plan = file(`plan.${output}`, stdout);
    const log = newLog();
    const run = await cli(["remove", "--file", plan, "--yes", "--log", log]);
    expect(run.stderr).not.toContain("Undo  ");
    expect(server().grant(grantId)).toBeUndefined();
    const restored = await cli(["restore", log, "--yes", "--json"]);
    const { newGrantId } = JSON.parse(restored.stdout);
    expect(server().grant(newGrantId)).toMatchObject({
      ...{ projectId, roleKeys: ["=x", "a,b"], state: "inactive" },
    });
    expect(directory).toBeDefined();
  });
});

describe("a run by selectors", () => {
  it("is undone as it was, on the other generation's terms too", async () => {
    const { projectId } = server().addProject({ roleKeys: ["reader"] });
    const { userId } = server().addGrant({ projectId, roleKeys: ["reader"] });
    const log = newLog();
    await cli(["deactivate", "--project", projectId, "--yes", "--log", log]);
    const { exitCode, stderr } = await cli(["restore", log, "--yes"]);
    expect(stderr).toContain("1 restored");
    expect(exitCode).toBe(0);
    const again = await cli(["list", "--user", userId, "--state", "active", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ userId, projectId, state: "active" });
  });
});
