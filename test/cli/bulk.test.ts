import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRate } from "../../src/cli/pace.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { type Run, run, type Setting, withoutLog } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "cli-"));
afterAll(() => rmSync(directory, { recursive: true }));

let sandbox: SandboxServer;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

const environment = () => ({
  ZITADEL_URL: sandbox.baseUrl,
  ZITADEL_TOKEN: sandbox.token,
  ZITADEL_ORG_ID: sandbox.orgId,
});

/** Runs against the sandbox, unless the setting says otherwise. */
const cli = (argv: readonly string[], setting: Setting = {}): Promise<Run> =>
  run(withoutLog(argv), { ...setting, env: setting.env ?? environment() });

const add = (count: number) => Array.from({ length: count }, () => sandbox.addGrant().grantId);

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const listen = (server: Server) =>
  new Promise<number>((resolve) =>
    server.listen(0, "localhost", () => resolve((server.address() as AddressInfo).port)),
  );

let logs = 0;
const newLog = () => join(directory, `run-${logs++}.jsonl`);

describe("remove", () => {
  it("removes the ids of its arguments, and reports the instance, the account and how many", async () => {
    const [a, b] = add(2) as [string, string];
    const { exitCode, stdout, stderr } = await cli(["remove", a, b, a, "--yes"]);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`${a}\tremoved\n${b}\tremoved\n`);
    expect(stderr).toContain(`Instance      ${sandbox.baseUrl}\n`);
    expect(stderr).toContain(`Organization  ZITADEL (${sandbox.orgId})\n`);
    expect(stderr).toMatch(/Account {7}\S+/);
    expect(stderr).toContain("Grants        2 to remove, of 2 users\n");
    expect(stderr).toMatch(/2 removed, 0 not found, 0 failed in/);
    expect(sandbox.grant(a)).toBeUndefined();
  });

  it.each(["grpc", "grpc-web", "json"])("uses %s", async (protocol) => {
    const [id] = add(1) as [string];
    expect((await cli(["remove", id, "--yes", "--protocol", protocol])).exitCode).toBe(0);
    expect(sandbox.grant(id)).toBeUndefined();
  });

  it.each([
    ["ids.txt", (ids: string[]) => `# to go\n${ids.join("\r\n")}\n\n`, []],
    [
      "ids.csv",
      (ids: string[]) => `name;grant_id\n${ids.map((id) => `"a\nb";${id}`).join("\n")}`,
      [],
    ],
    [
      "more.csv",
      (ids: string[]) => `\ufeffGrant,x\n${ids.join(",1\n")},1\n`,
      ["--column", "Grant"],
    ],
    ["ids.jsonl", (ids: string[]) => `"${ids[0]}"\n{"grantId":"${ids[1]}"}\n`, []],
  ])("reads %s", async (name, content, flags) => {
    const ids = add(2);
    const { exitCode, stderr } = await cli([
      "remove",
      "--file",
      file(name, content(ids)),
      "-y",
      ...flags,
    ]);
    expect(stderr).toContain("2 removed");
    expect(exitCode).toBe(0);
  });

  it("reads standard input", async () => {
    const ids = add(3);
    const { exitCode, stdout } = await cli(["remove", "--yes"], { stdin: ids.join("\n") });
    expect(exitCode).toBe(0);
    expect(stdout.split("\n")).toHaveLength(4);
  });

  it("lists invalid lines and sends nothing", async () => {
    const [id] = add(1) as [string];
    const path = file("bad.txt", `${id}\nnot an id\n${"x".repeat(300)}\n`);
    const { exitCode, stderr } = await cli(["remove", "--file", path, "--yes"]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/bad\.txt, line 2: not a grant id: "not an id"/);
    expect(stderr).toMatch(/line 3/);
    expect(sandbox.grant(id)).toBeDefined();
  });

  it.each([
    [
      "bad.csv",
      `user,grantId\nu,1\nu\n"a\nb",3\nu,\n`,
      [/line 3: has 1 cell,/, /line 6: not a grant id/],
    ],
    ["none.csv", "a,b\n1,2\n", [/no column grantId or grant_id.*It has: "a", "b"/]],
    [
      "bad.jsonl",
      `{"grantId":400690105629084710}\n{\n{"id":"1"}\n`,
      [/line 1: .*is a number/, /line 2: no JSON/, /line 3: the object has no column grantId/],
    ],
  ])("names what is wrong in %s", async (name, content, messages) => {
    const { exitCode, stderr } = await cli(["remove", "--file", file(name, content), "--yes"]);
    expect(exitCode).toBe(1);
    for (const message of messages) {
      expect(stderr).toMatch(message);
    }
  });

  it("reports unknown and foreign grants, with exit code 2", async () => {
    const [id] = add(1) as [string];
    const limited = sandbox.addUser({
      roles: [{ role: "PROJECT_OWNER", projectId: sandbox.projectId }],
    });
    const { projectId } = sandbox.addProject();
    const { grantId: foreign } = sandbox.addGrant({ projectId });
    const env = { ...environment(), ZITADEL_TOKEN: limited.token };
    const { exitCode, stdout } = await cli(["remove", id, "999", foreign, "--yes", "--json"], {
      env,
    });
    expect(exitCode).toBe(2);
    const outcomes = stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text));
    expect(outcomes).toHaveLength(3);
    expect(outcomes).toContainEqual({ grantId: id, status: "removed" });
    expect(outcomes).toContainEqual({ grantId: "999", status: "not-found" });
    expect(outcomes).toContainEqual({
      grantId: foreign,
      status: "failed",
      error: {
        code: 7,
        id: "EVENT-Shu7e",
        message: expect.any(String),
        requestId: expect.any(String),
      },
    });
  });

  it("works in the organization of an account that may not see it", async () => {
    const [id = ""] = add(1);
    const { token } = sandbox.addUser({
      roles: [{ role: "PROJECT_OWNER", projectId: sandbox.projectId }],
    });
    const { exitCode, stderr } = await cli(["remove", id, "--yes"], {
      env: { ZITADEL_URL: sandbox.baseUrl, ZITADEL_TOKEN: token },
    });
    expect(stderr).toMatch(new RegExp(`Organization +${sandbox.orgId}`));
    expect(exitCode).toBe(0);
  });

  it("shows no control characters of the server on a terminal", async () => {
    const [id] = add(1) as [string];
    const { orgId } = sandbox.addOrg({ name: "Acme\u001b[2J\u202e" });
    const { token } = sandbox.addUser({ orgId, name: "Eve\u0007", roles: ["IAM_OWNER"] });
    sandbox.failNext({
      code: Code.OutOfRange,
      rpc: "BulkRemoveUserGrant",
      message: "no\u001b[2J\n1\tremoved",
    });
    const { stdout, stderr } = await cli(["remove", id, "--yes"], {
      env: { ...environment(), ZITADEL_TOKEN: token, ZITADEL_ORG_ID: orgId },
    });
    expect(stdout).toContain("no\\u{1b}[2J\\u{a}1\\u{9}removed");
    expect(stderr).toContain("Acme\\u{1b}[2J\\u{202e}");
    for (const character of ["\u001b", "\u0007", "\u202e"]) {
      expect(stdout + stderr).not.toContain(character);
    }
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  });

  it("counts what is not found as done with --allow-unknown", async () => {
    expect((await cli(["remove", "999", "--yes"])).exitCode).toBe(2);
    expect((await cli(["remove", "999", "--yes", "--allow-unknown"])).exitCode).toBe(0);
  });

  it("reports what it can mean that none was found", async () => {
    const unknown = Array.from({ length: 600 }, (_, index) => String(1000 + index)).join("\n");
    const { exitCode, stderr } = await cli(["remove", "--yes"], { stdin: unknown });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /600 were not found by the run: .* of another organization than the one above/,
    );
    const allowed = await cli(["remove", "--yes", "--allow-unknown"], { stdin: unknown });
    expect(allowed.stderr).toMatch(/600 were not found by the run: .*in effect: 0 of 0\./s);
    expect(allowed.exitCode).toBe(0);
  });

  it("does nothing in a dry run, and reports that", async () => {
    const [id] = add(1) as [string];
    const { exitCode, stdout, stderr } = await cli(["remove", id, "--dry-run"]);
    expect([exitCode, stdout]).toEqual([0, `${id}\tactive\n`]);
    expect(stderr).toMatch(/Connection and permission are fine\. .*nothing was done/);
    expect(sandbox.grant(id)).toBeDefined();
    const { token } = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] });
    const refused = await cli(["remove", id, "--dry-run"], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toMatch(/AUTH-5mWD2.*role lacks/);
  });

  it.each([
    ["unknown token", () => ({ ZITADEL_TOKEN: "nonsense" }), /token is unknown or has expired/],
    [
      "no membership",
      () => ({ ZITADEL_TOKEN: sandbox.addUser().token }),
      /AUTHZ-cdgFk.*no manager role/,
    ],
    ["unknown organization", () => ({ ZITADEL_ORG_ID: "42" }), /AUTH-Bs7Ds.*does not exist/],
  ])("exits with code 4: %s", async (_, env, message) => {
    const [id] = add(1) as [string];
    const { exitCode, stderr } = await cli(["remove", id, "--yes"], {
      env: { ...environment(), ...env() },
    });
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(message);
    expect(sandbox.grant(id)).toBeDefined();
  });

  it("exits with code 4 when the server is not listening", async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const { exitCode, stderr } = await cli(["remove", "1", "--yes"], {
      env: { ...environment(), ZITADEL_URL: `http://localhost:${port}` },
    });
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(/ECONNREFUSED/);
  });
});

describe("input that is rejected with exit code 1", () => {
  it.each<[string, string[], Setting, RegExp]>([
    ["no way to ask", ["remove", "1"], {}, /Nothing was done: there is no terminal.*--yes/],
    [
      "ids on standard input",
      ["remove"],
      { stdin: "1\n" },
      /Nothing was done: there is no terminal.*--yes/,
    ],
    ["no ids", ["remove"], { isTerminal: true }, /No grants given/],
    ["ids typed in", ["remove", "--file", "-"], { isTerminal: true }, /input is a terminal/],
    ["an empty list", ["remove", "--yes"], { stdin: "\n" }, /no grants in the input/],
    [
      "a token as an argument",
      ["remove", "1", "--token", "secret"],
      {},
      /no flag --token; did you mean --token-file\?/,
    ],
    ["the same with =", ["remove", "1", "--token=secret"], {}, /no flag --token; did/],
    ["an unknown flag", ["remove", "1", "--force"], {}, /--force/],
    ["ids twice", ["remove", "1", "--file", "x", "--yes"], {}, /not both/],
    [
      "a missing file",
      ["remove", "--file", "/nonexistent", "--yes"],
      {},
      /\/nonexistent cannot be read: no such file or directory \(ENOENT\)/,
    ],
    ["a bad number", ["remove", "1", "--concurrency", "0"], {}, /--concurrency takes/],
    [
      "a bad protocol",
      ["remove", "1", "--protocol", "soap", "--yes"],
      {},
      /grpc, grpc-web, json; got "soap"/,
    ],
    [
      "no url",
      ["remove", "1", "--yes"],
      { env: { ZITADEL_TOKEN: "x" } },
      /--url or set ZITADEL_URL/,
    ],
    [
      "no token",
      ["remove", "1", "--yes"],
      { env: { ZITADEL_URL: "http://localhost" } },
      /No credentials given/,
    ],
    [
      "cleartext",
      ["remove", "1", "--yes"],
      { env: { ZITADEL_URL: "http://example.com", ZITADEL_TOKEN: "x" } },
      /cleartext/,
    ],
    ["another command", ["drop"], {}, /no command "drop"/],
  ])("%s", async (_, argv, setting, message) => {
    const { exitCode, stdout, stderr } = await cli(argv, setting);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("secret");
    expect([exitCode, stdout]).toEqual([1, ""]);
  });
});

describe("on a terminal", () => {
  const asked = (typed: string): Setting => ({
    isTerminal: true,
    onOutput: (text, { type }) => {
      if (text.includes("[y/N]")) {
        type(typed);
      }
    },
  });

  it("asks first, and continues when confirmed", async () => {
    const [id] = add(1) as [string];
    const declined = await cli(["remove", id], asked("n\n"));
    expect(declined.exitCode).toBe(3);
    expect(declined.stderr).toContain("Remove 1 grant? [y/N]");
    expect(declined.stderr).toContain("Nothing was done.");
    expect(sandbox.grant(id)).toBeDefined();
    const agreed = await cli(["remove", id], asked("y\n"));
    expect(agreed.exitCode).toBe(0);
    expect(sandbox.grant(id)).toBeUndefined();
  });

  it("shows a bar, and only the results that are not done", async () => {
    const ids = add(250);
    const path = file("terminal.txt", [...ids, "999"].join("\n"));
    const { stdout, stderr } = await cli(["remove", "--file", path, "--yes"], { isTerminal: true });
    expect(stdout).toBe("999\tnot-found\n");
    expect(stderr).toMatch(/█+ +100% +251 of 251/);
  });
});

describe("Ctrl-C", () => {
  it("finishes requests in flight, reports, and exits with code 3", async () => {
    await sandbox.close();
    sandbox = await startSandbox({ requestLatencyMs: 20 });
    const ids = add(3000);
    let pressed = false;
    const { exitCode, stdout, stderr } = await cli(["remove", "--yes"], {
      stdin: ids.join("\n"),
      onOutput: (text, { interrupt }) => {
        if (!pressed && text.includes("removed")) {
          pressed = true;
          interrupt();
        }
      },
    });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/Finishing what is in flight/);
    const removed = stdout
      .trim()
      .split("\n")
      .map((text) => text.split("\t")[0] ?? "");
    expect(removed.length).toBeLessThan(3000);
    expect(removed.length % 100).toBe(0);
    expect(ids.filter((id) => sandbox.grant(id) === undefined)).toEqual(
      expect.arrayContaining(removed),
    );
    expect(ids.filter((id) => sandbox.grant(id) !== undefined)).toHaveLength(3000 - removed.length);
  });

  it("pressed twice exits at once, and reports which grants may have been removed", async () => {
    let interrupt = () => {};
    const silent = createServer((request, response) => {
      if (request.url?.endsWith("_bulk")) {
        interrupt();
        interrupt();
      } else {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ user: { id: "1" }, org: { id: sandbox.orgId } }));
      }
    });
    const port = await listen(silent);
    const flags = ["--yes", "--protocol", "json", "--no-record"];
    const { exitCode, stdout } = await cli(["remove", "1", "2", ...flags], {
      env: { ...environment(), ZITADEL_URL: `http://localhost:${port}` },
      onOutput: (_, keys) => {
        interrupt = keys.interrupt;
      },
    });
    silent.closeAllConnections();
    silent.close();
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^1\tfailed\tCanceled.*\tresponse lost\n2\tfailed.*\tresponse lost\n$/);
  });
});

describe("deactivate", () => {
  it("needs no users: ZITADEL does not compare them", async () => {
    const ids = add(2);
    const { exitCode, stdout } = await cli(["deactivate", ...ids, "--yes"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`${ids[0]}\tdeactivated\n`);
    expect(sandbox.grant(ids[1] ?? "")?.state).toBe("inactive");
  });

  it("reports which of them older servers rejected as inactive, and resumes", async () => {
    await sandbox.close();
    sandbox = await startSandbox({ generation: "v2.70" });
    const { grantId } = sandbox.addGrant({ state: "inactive" });
    const log = newLog();
    const { exitCode, stdout } = await cli(["deactivate", grantId, "--yes", "--log", log]);
    expect([exitCode, stdout]).toEqual([0, `${grantId}\talready-inactive\n`]);
    expect((await cli(["resume", log, "--yes"])).exitCode).toBe(0);
  });
});

describe("secrets", () => {
  it("come from a file or standard input", async () => {
    const ids = add(2);
    const { ZITADEL_TOKEN: _, ...env } = environment();
    const path = file("token", `${sandbox.token}\n`);
    expect(
      (await cli(["remove", ids[0] ?? "", "-y", "--token-file", path], { env })).exitCode,
    ).toBe(0);
    const fromStdin = await cli(["remove", ids[1] ?? "", "-y", "--token-file", "-"], {
      env,
      stdin: `${sandbox.token}\n`,
    });
    expect(fromStdin.exitCode).toBe(0);
  });

  it("come from a key file, whose tokens are requested on demand", async () => {
    const { ZITADEL_TOKEN: _, ...env } = environment();
    const keyFile = file("key.json", JSON.stringify(sandbox.addKey()));
    const [a = "", b = ""] = add(2);
    expect((await cli(["remove", a, "--yes", "--key-file", keyFile], { env })).exitCode).toBe(0);
    const fromEnvironment = await cli(["remove", b, "--yes"], {
      env: { ...env, ZITADEL_KEY_FILE: keyFile },
    });
    expect(fromEnvironment.exitCode).toBe(0);
  });

  it("are reported when they cannot be used: an unknown key, a file that is not a key", async () => {
    const { ZITADEL_TOKEN: _, ...env } = environment();
    const key = sandbox.addKey();
    sandbox.removeKey(key.keyId);
    const unknown = file("unknown.json", JSON.stringify(key));
    const refused = await cli(["remove", "1", "--yes", "--key-file", unknown], { env });
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toMatch(/Nothing was done/);
    expect(refused.stderr).not.toContain(key.key.slice(40, 80));
    const noKey = file("none.json", "{}");
    const wrong = await cli(["remove", "1", "--yes", "--key-file", noKey], { env });
    expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringMatching(/serviceaccount/)]);
  });

  it("are never shown", async () => {
    const { token } = sandbox.addUser();
    const { stdout, stderr } = await cli(["remove", "1", "--yes"], {
      env: { ...environment(), ZITADEL_TOKEN: token },
    });
    expect(stdout + stderr).not.toContain(token);
  });
});

describe("help", () => {
  it.each([
    [["--help"]],
    [["remove", "--help"]],
    [["deactivate", "-h"]],
    [["doctor", "--help"]],
    [["--version"]],
  ])("%j", async (argv) => {
    const { exitCode, stdout, stderr } = await cli(argv, { env: {} });
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/Usage|^\d+\.\d+\.\d+/);
  });
});

describe("--quiet", () => {
  it("writes nothing to standard error on success, and only problems otherwise", async () => {
    const [a, b] = add(2) as [string, string];
    const { exitCode, stdout, stderr } = await cli(["remove", a, "--yes", "--quiet", "--no-log"]);
    expect([exitCode, stdout, stderr]).toEqual([0, `${a}\tremoved\n`, ""]);
    const missing = await cli(["remove", b, "999", "-y", "-q", "--no-log"]);
    expect(missing.stderr).toMatch(/^1 removed, 1 not found, 0 failed in .*\n$/);
    expect((await cli(["remove", b, "-q"])).stderr).toMatch(/--quiet needs --yes/);
  });
});

describe("when nothing is found", () => {
  it("reports what that can mean, below a hundred too", async () => {
    const { exitCode, stderr } = await cli(["remove", "998", "999", "--yes", "--no-log"]);
    expect(stderr).toMatch(
      /^2 were not found by the run: .* of another organization than the one above/m,
    );
    expect(exitCode).toBe(2);
  });
});

describe("--rate", () => {
  it("limits the requests, and announces it before it starts", async () => {
    const ids = add(20);
    const startedMs = performance.now();
    const { stderr } = await cli([...["deactivate", ...ids, "--rate", "50", "--yes", "--no-log"]]);
    expect(stderr).toContain("Rate          50 requests a second at most (--rate)\n");
    // 20 requests, five of which may go at once.
    expect(performance.now() - startedMs).toBeGreaterThan(250);
  });

  it.each([
    ["https://acme.zitadel.cloud", 40],
    ["https://acme-x1.us1.zitadel.cloud:443/", 40],
    ["https://zitadel.cloud.example.com", undefined],
    ["http://localhost:8080", undefined],
  ])("is by default for %s: %s", (url, expected) => {
    expect(readRate(undefined, url)).toBe(expected);
    expect(readRate("7", url)).toBe(7);
  });
});

describe("--debug", () => {
  it("shows requests and responses, and no token", async () => {
    const [a] = add(1) as [string];
    const { stderr } = await cli(["remove", a, "--yes", "--debug", "--no-log"]);
    expect(stderr).toMatch(/debug request #1 GetMyUser \{"url":"http.*\n/);
    expect(stderr).toMatch(/debug response #\d BulkRemoveUserGrant .*"durationMs":\d+/);
    expect(stderr).not.toContain(sandbox.token);
  });
});

describe("messages", () => {
  it.each<[string[], Record<string, string>, RegExp]>([
    [["--url", "http://example.com"], {}, /--allow-insecure/],
    [["--url", "nonsense"], {}, /--url must be/],
    [["--instance-host", "a b"], {}, /--instance-host/],
    [["--org", "a\nb"], {}, /--org/],
    [
      ["--key-file", file("none.txt", "./key.json")],
      {},
      /key must be the key file .* that is not JSON$/m,
    ],
    [[], { ZITADEL_TOKEN: "a b" }, /token must be a token/],
  ])("name flags and not options of the library: %j", async (argv, env, message) => {
    const { exitCode, stderr } = await cli(["doctor", ...argv], {
      env: { ...environment(), ...env },
    });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/baseUrl|allowInsecure|instanceHost|orgId|object|function/);
    expect(exitCode).toBe(1);
  });
});
