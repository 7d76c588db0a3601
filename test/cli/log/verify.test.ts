import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { logHarness } from "./harness.js";

const { add, begun, cli, environment, file, newLog, server } = logHarness();

const findings = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));

describe("verify", () => {
  it("confirms what a run has removed, with the credentials alone", async () => {
    const ids = add(3);
    const log = newLog();
    await cli(["remove", ...ids, "999", "--yes", "--log", log]);
    const { exitCode, stdout, stderr } = await cli(["verify", log], {
      env: { ZITADEL_TOKEN: server().token },
    });
    expect(stderr).toContain("4 as reported (gives none: not shown)");
    expect(stderr).toMatch(/^1 was not found by the run: .* of another organization/m);
    expect(stdout).toContain(`${ids[0]}\tgives none: not shown\tas reported\n`);
    expect(exitCode).toBe(0);
  });

  it("reads a log of version 0.1.0, which may not name its organization", async () => {
    const [id = ""] = add(1);
    const old = (orgId: string | null) => {
      const outcome = JSON.stringify({
        grantId: id,
        status: "removed",
        at: "2026-11-24T08:00:01Z",
      });
      const text = begun([id], outcome).replace(
        `"orgId":"${server().orgId}"`,
        `"orgId":${JSON.stringify(orgId)},"orgGiven":false`,
      );
      return file("old.jsonl", text);
    };
    const env = { ZITADEL_TOKEN: server().token };
    const { exitCode, stdout } = await cli(["verify", old(server().orgId)], { env });
    expect([exitCode, stdout]).toEqual([2, expect.stringContaining("gives roles")]);
    const unnamed = await cli(["verify", old(null)], { env });
    expect([unnamed.exitCode, unnamed.stderr]).toEqual([1, expect.stringContaining("--org <id>")]);
    const named = await cli(["verify", old(null), "--org", server().orgId], { env });
    expect([named.exitCode, named.stdout]).toEqual([2, expect.stringContaining("gives roles")]);
    expect((await cli(["report", old(null), "--csv"])).exitCode).toBe(0);
  });

  it("says of which gone grants the run knows nothing: not of those that it may have removed", async () => {
    const log = file(
      "not-found.jsonl",
      begun(
        ["1", "2", "3"],
        '{"grantId":"1","status":"not-found"}',
        '{"grantId":"2","status":"not-found","answerLost":true}',
        '{"grantId":"3","status":"not-found"}',
      ),
    );
    const { exitCode, stderr } = await cli(["verify", log]);
    expect(stderr).toMatch(/^2 were not found by the run: gone before/m);
    expect(exitCode).toBe(0);
  });

  it("reports contradictions, undecided grants, and grants without an outcome", async () => {
    const [there, unwritten, undecided] = add(3) as [string, string, string];
    const log = file(
      "contradicted.jsonl",
      begun(
        [there, "1", unwritten, undecided],
        `{"grantId":"${there}","status":"removed"}`,
        '{"grantId":"1","status":"removed"}',
        `{"request":"a-1","ids":["${unwritten}"]}`,
        '{"answer":"a-1","ok":true}',
      ),
    );
    const { exitCode, stdout, stderr } = await cli(["verify", log, "--json"]);
    expect(findings(stdout)).toEqual(
      expect.arrayContaining([
        { grantId: "1", expected: "none", shows: "none", verdict: "confirmed" },
        { grantId: there, expected: "none", shows: "active", verdict: "contradicted" },
        { grantId: unwritten, expected: "none", shows: "active", verdict: "contradicted" },
        { grantId: undecided, shows: "active", verdict: "undecided" },
      ]),
    );
    expect(stderr).toContain("2 NOT as reported (gives roles)");
    expect(exitCode).toBe(2);
  });

  it("expects what was deactivated to be inactive", async () => {
    const [a, b] = [server().addGrant(), server().addGrant()];
    const log = newLog();
    await cli(["deactivate", a.grantId, b.grantId, "--yes", "--log", log]);
    const { exitCode, stderr } = await cli(["verify", log]);
    expect(stderr).not.toContain("not found by the run");
    expect(exitCode).toBe(0);
  });

  it.each([
    [
      "a role that may not read grants",
      () => server().addUser({ roles: ["ORG_USER_SELF_MANAGER"] }).token,
    ],
    ["no role", () => server().addUser().token],
  ])("exits with code 4 for %s", async (_, token) => {
    const ids = add(1);
    const log = newLog();
    await cli(["remove", ...ids, "--yes", "--log", log]);
    const { exitCode, stdout } = await cli(["verify", log], {
      env: { ...environment(), ZITADEL_TOKEN: token() },
    });
    expect([exitCode, stdout]).toEqual([4, ""]);
  });

  it.each([
    ["no log", ["verify"], /takes the path of one log/],
    ["two logs", ["verify", "a", "b"], /takes the path of one log/],
    [
      "a missing file",
      ["verify", "/nonexistent"],
      /\/nonexistent cannot be read: no such file or directory \(ENOENT\)/,
    ],
    ["a directory", ["verify", tmpdir()], /cannot be read: it is not a file/],
  ])("rejects %s", async (_, argv, message) => {
    const { exitCode, stderr } = await cli(argv);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
  });
});
