import { describe, expect, it } from "vitest";
import { logHarness } from "./harness.js";

const { add, cli, directory, entries, environment, file, newLog, server } = logHarness();

describe("a run over bare ids", () => {
  it("warns before it starts that it cannot be undone", async () => {
    const [a] = add(1) as [string];
    const { stderr } = await cli(["remove", a, "--yes", "--log", newLog()]);
    expect(stderr).toMatch(/Undo {10}not possible for 1 grant: .*--record/);
    const unlogged = await cli(["remove", "999", "--yes", "--no-log"]);
    expect(unlogged.stderr).toMatch(/Undo {10}not possible, as no log is written/);
  });

  it("can be undone with --record", async () => {
    const roleKeys = ["reader", "writer"];
    const given = [
      server().addGrant({ roleKeys }),
      server().addGrant({ roleKeys, state: "inactive" }),
    ];
    const log = newLog();
    const ids = given.map(({ grantId }) => grantId);
    const { stderr } = await cli(["remove", ...ids, "999", "--record", "--yes", "--log", log]);
    expect(stderr).toMatch(/Undo {10}not possible for 1 grant/);
    expect(entries(log)[1]?.grants).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...given[0],
          recorded: { state: "active", roleKeys, projectId: server().projectId },
        }),
        "999",
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

  it("does nothing with --record if grants cannot be read", async () => {
    const [a] = add(1) as [string];
    const { token } = server().addUser();
    const { exitCode, stderr } = await cli(["remove", a, "--record", "--yes", "--log", newLog()], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(stderr).toMatch(/cannot be recorded: .*AUTHZ-cdgFk.*\nNothing was done\./);
    expect(exitCode).toBe(4);
    expect(server().grant(a)).toBeDefined();
  });
});

describe.each(["csv", "jsonl"])("a run over what list writes as %s", (output) => {
  it("can be undone", async () => {
    const { projectId } = server().addProject({ roleKeys: ["=x", "a,b"] });
    const { grantId } = server().addGrant({
      projectId,
      roleKeys: ["=x", "a,b"],
      state: "inactive",
    });
    const { stdout } = await cli(["list", "--project", projectId, "--output", output]);
    const plan = file(`plan.${output}`, stdout);
    const log = newLog();
    const run = await cli(["remove", "--file", plan, "--yes", "--log", log]);
    expect(run.stderr).not.toContain("Undo");
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
    const again = await cli(["list", "--user", userId, "--state", "active", "--output", "jsonl"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ userId, projectId, state: "active" });
  });
});
