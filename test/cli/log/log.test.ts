import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogHead } from "../../../src/cli/log/entry.js";
import { RunLog } from "../../../src/cli/log/write.js";
import { logHarness } from "./harness.js";

const { add, begun, cli, directory, entries, environment, file, newLog, server } = logHarness();

const outcomesOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));

describe("the log", () => {
  it("holds the organization, the account, requests before they are sent, responses and outcomes", async () => {
    const [a] = add(1) as [string];
    const log = newLog();
    await cli(["remove", a, "999", "--yes", "--log", log]);
    const lines = entries(log);
    expect(lines[0]).toEqual({ log: "zitadel-user-grants", version: 1 });
    expect(lines[1]).toMatchObject({ grants: [{ grantId: a }, { grantId: "999" }] });
    expect(lines[2]).toMatchObject({
      ...{ run: "started", command: "remove", url: server().baseUrl },
      ...{ orgId: server().orgId, orgName: "ZITADEL", accountId: expect.stringMatching(/^\d+$/) },
    });
    const request = expect.stringMatching(/-1$/);
    expect(lines[3]).toEqual({ request, ids: [a, "999"] });
    expect(lines[4]).toMatchObject({ answer: request, ok: false, requestId: expect.any(String) });
    const at = expect.stringMatching(/Z$/);
    expect(lines).toContainEqual({ grantId: a, status: "removed", at });
    expect(lines).toContainEqual({ grantId: "999", status: "not-found", at });
    expect(lines.at(-1)).toEqual({ run: "ended", at, because: "finished" });
    expect(existsSync(`${log}.lock`)).toBe(false);
  });

  it("is written by default, named after the time, and not with --no-log", async () => {
    const [a, b] = add(2) as [string, string];
    const workingDirectory = process.cwd();
    const empty = join(directory, "default");
    mkdirSync(empty);
    process.chdir(empty);
    try {
      await cli(["remove", a, "--yes", "--no-log"]);
      expect(readdirSync(empty)).toEqual([]);
      const { stderr } = await cli(["remove", b, "--yes"]);
      const [name = ""] = readdirSync(empty);
      expect(name).toMatch(/^zitadel-user-grants-\d{8}T\d{6}-\d{3}Z\.jsonl$/);
      expect(stderr).toContain(`Log           ./${name}\n`);
    } finally {
      process.chdir(workingDirectory);
    }
  });

  it("is not overwritten", async () => {
    const log = file("kept.jsonl", "kept");
    const { exitCode, stderr } = await cli(["remove", "1", "--yes", "--log", log]);
    expect([exitCode, readFileSync(log, "utf8")]).toEqual([1, "kept"]);
    expect(stderr).toMatch(/exists.*resume/);
  });

  it("is checked before the question is asked", async () => {
    const [a] = add(1) as [string];
    const { exitCode, stderr } = await cli(["remove", a, "--log", "/nonexistent/run.jsonl"], {
      isTerminal: true,
    });
    expect(stderr).toMatch(/The log cannot be locked with .*no such file or directory/);
    expect(stderr).not.toContain("[y/N]");
    expect(exitCode).toBe(1);
  });

  it("leaves no file behind when the user declines", async () => {
    const [a] = add(1) as [string];
    const log = newLog();
    const { exitCode } = await cli(["remove", a, "--log", log], {
      isTerminal: true,
      onOutput: (text, { type }) => (text.includes("[y/N]") ? type("n\n") : undefined),
    });
    expect(exitCode).toBe(3);
    expect(readdirSync(directory).filter((name) => log.endsWith(name.slice(0, 10)))).toEqual([]);
  });
});

describe("resume", () => {
  it("continues where the run stopped: decided grants stay decided, grants in doubt are requested", async () => {
    const [open, unwritten] = add(2) as [string, string];
    server().addGrant({ grantId: "5" });
    const log = file(
      "resumed.jsonl",
      `${begun(
        ["1", "2", "3", unwritten, open, "4", "5"],
        '{"request":"a-1","ids":["1"]}',
        '{"answer":"a-1","ok":true}',
        '{"grantId":"1","status":"removed"}',
        `{"request":"a-2","ids":["${unwritten}"]}`,
        '{"answer":"a-2","ok":true}',
        '{"request":"a-3","ids":["2","3"]}',
        '{"request":"a-4","ids":["4","5"]}',
      )}{"grantId":"2","sta`,
    );
    const { exitCode, stdout, stderr } = await cli(["resume", log, "-y", "--json", "--no-check"]);
    const outcomes = outcomesOf(stdout);
    // What the log has as done is not reported again.
    expect(outcomes).toHaveLength(5);
    expect(server().grant(unwritten)).toBeDefined();
    expect(outcomes).toContainEqual({ grantId: open, status: "removed" });
    expect(outcomes).toContainEqual({ grantId: "2", status: "not-found", answerLost: true });
    expect(outcomes).toContainEqual({ grantId: "3", status: "not-found", answerLost: true });
    // That its neighbor is removed now says nothing about the lost request.
    expect(outcomes).toContainEqual({ grantId: "5", status: "removed" });
    expect(outcomes).toContainEqual({ grantId: "4", status: "not-found", answerLost: true });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/4 removed, 3 not found/);
    const again = await cli(["resume", log, "--yes", "--no-check"]);
    expect([again.exitCode, again.stdout]).toEqual([2, ""]);
    expect(again.stderr).toMatch(/4 removed, 3 not found/);
  });

  it("needs only the credentials", async () => {
    const ids = add(3);
    const log = file("credentials.jsonl", begun(ids));
    const { ZITADEL_TOKEN } = environment();
    const { exitCode } = await cli(["resume", log, "--yes"], { env: { ZITADEL_TOKEN } });
    expect(exitCode).toBe(0);
    expect(ids.some((id) => server().grant(id) !== undefined)).toBe(false);
  });

  it("requests failed grants again", async () => {
    const [id] = add(1) as [string];
    const log = newLog();
    const { token } = server().addUser();
    const failed = await cli(["remove", id, "--yes", "--log", log], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(failed.exitCode).toBe(4);
    expect(failed.stderr).toContain(`zitadel-user-grants resume ${log}`);
    expect((await cli(["resume", log, "--yes"])).exitCode).toBe(0);
  });

  it("continues with another token when the first one expired during the run", async () => {
    const ids = add(1000);
    const log = newLog();
    const expired = server().addUser({ roles: ["ORG_OWNER"] }).token;
    const { exitCode, stdout, stderr } = await cli(["remove", "--yes", "--log", log], {
      env: { ...environment(), ZITADEL_TOKEN: expired },
      stdin: ids.join("\n"),
      onOutput: (text) => {
        if (text.includes("removed")) {
          server().revokeToken(expired);
        }
      },
    });
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(/AUTH-7fs1e.*resume/);
    expect(stdout).toMatch(/\tfailed\tUnauthenticated AUTH-7fs1e/);
    const resumed = await cli(["resume", log, "--yes"]);
    expect(resumed.exitCode).toBe(0);
    expect(resumed.stderr).toMatch(/1000 removed, 0 not found, 0 failed/);
    expect(ids.some((id) => server().grant(id) !== undefined)).toBe(false);
  });

  it("does not mistake grants that a killed run has removed for a wrong organization", async () => {
    const gone = Array.from({ length: 400 }, (_, index) => String(1000 + index));
    const left = add(50);
    const requests = [0, 100, 200, 300].map((from, index) =>
      JSON.stringify({ request: `a-${index}`, ids: gone.slice(from, from + 100) }),
    );
    const log = file("applied.jsonl", begun([...gone, ...left], ...requests));
    const { exitCode, stderr } = await cli(["resume", log, "--yes"]);
    expect(stderr).toMatch(/50 removed, 400 not found, 0 failed/);
    expect(exitCode).toBe(2);
    const sent = entries(log).filter((entry) => "request" in entry).length - requests.length;
    expect(sent).toBeLessThanOrEqual(500);
  });
});

describe("a log", () => {
  it("records nothing once it is closed, as its file descriptor may be reused by then", async () => {
    const path = newLog();
    const log = RunLog.create(path);
    log.grant({ grantId: "1" });
    log.start(entries(file("head.jsonl", begun(["1"])))[2] as unknown as LogHead);
    const closing = log.close("finished");
    log.note({ answer: "late", ok: false });
    await closing;
    log.note({ grantId: "1", status: "removed" });
    await expect(log.request(["1"])).rejects.toThrow(/is closed/);
    expect(entries(path).at(-1)).toMatchObject({ run: "ended", because: "finished" });
    expect(log.failure).toBeUndefined();
  });

  it("with Windows line endings is read all the same", async () => {
    const [id] = add(1) as [string];
    const path = file("crlf.jsonl", begun([id]).replaceAll("\n", "\r\n"));
    const { exitCode, stdout } = await cli(["resume", path, "--yes"]);
    expect([exitCode, stdout]).toEqual([0, `${id}\tremoved\n`]);
    expect((await cli(["verify", path])).exitCode).toBe(0);
  });

  it("in a missing folder is named, and its draft is not", async () => {
    const [id] = add(1) as [string];
    const path = join(directory, "nowhere", "run.jsonl");
    const { exitCode, stderr } = await cli(["remove", id, "--yes", "--log", path]);
    expect(stderr).toMatch(
      /The log cannot be locked with .*run\.jsonl\.lock: no such file or directory/,
    );
    expect(stderr).not.toContain("draft");
    expect(exitCode).toBe(1);
  });
});

describe("resume does not change a file", () => {
  const key = '{"type":"serviceaccount","keyId":"1","key":"-----BEGIN RSA","userId":"2"}';
  it.each<[string, () => string, RegExp]>([
    ["a key file without a line break", () => key, /not a log/],
    ["another JSON file", () => `${key}\n`, /not a log/],
    ["an empty file", () => "", /not a log/],
    [
      "a log without a start",
      () => begun(["1"]).split("\n").slice(0, 2).join("\n").concat("\n"),
      /not a log/,
    ],
    [
      "a log of a newer version",
      () => begun(["1"]).replace('"version":1', '"version":2'),
      /written by a newer version/,
    ],
    ["a log with a line that is not of it", () => begun(["1"], "hello"), /damaged: line 4/],
    [
      "a log of a grant that is not in it",
      () => begun(["1"], '{"grantId":"2","status":"x"}'),
      /line 4/,
    ],
    [
      "a log of another instance",
      () => begun(["1"]).replace(server().baseUrl, "https://other.example"),
      /that run was for https:\/\/other\.example/,
    ],
    [
      "a log of another organization",
      () => begun(["1"]).replaceAll(server().orgId, "4711"),
      /that run was for 4711/,
    ],
  ])("that is %s", async (_, content, message) => {
    const before = content();
    const path = file("not-a-log", before);
    const files = readdirSync(directory);
    const { exitCode, stderr } = await cli(["resume", path, "--yes"]);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(readdirSync(directory)).toEqual(files);
  });

  it("stays in its organization when the account belongs to another one", async () => {
    const [id] = add(1) as [string];
    const path = file("own.jsonl", begun([id]));
    const other = server().addOrg();
    const { token } = server().addUser({ orgId: other.orgId, roles: ["ORG_OWNER"] });
    const { exitCode, stderr } = await cli(["resume", path, "--yes"], {
      env: { ZITADEL_TOKEN: token },
    });
    expect(stderr).toMatch(/The run was aborted: .*AUTHZ-cdgFk.*no manager role here/);
    expect(exitCode).toBe(4);
    expect(server().grant(id)).toBeDefined();
  });
});
