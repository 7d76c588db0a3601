import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type SandboxOptions, type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { startJsonServer } from "./json-server.js";
import { run, type Setting } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "cli-reading-"));
afterAll(() => rmSync(directory, { recursive: true }));

let sandbox: SandboxServer;
afterEach(() => sandbox.close());

const calls: string[] = [];
async function start(options: SandboxOptions = {}) {
  calls.length = 0;
  sandbox = await startSandbox({ ...options, onRequest: ({ method }) => calls.push(method) });
  return sandbox.addProject({ name: "Billing", roleKeys: ["reader", "admin"] }).projectId;
}
const cli = (argv: readonly string[], setting: Setting = {}) =>
  run(argv, {
    env: { ZITADEL_URL: sandbox.baseUrl, ZITADEL_TOKEN: sandbox.token },
    ...setting,
  });
const file = (name: string, content: string): string => {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
};

describe("a list that has no order", () => {
  it.each([
    ["v4", "grpc"],
    ["v4", "json"],
    ["v2.70", "grpc-web"],
    ["v2.70", "json"],
  ] as const)("is complete beyond a page: %s over %s", async (generation, protocol) => {
    const projectId = await start({ generation });
    for (let n = 0; n < 6000; n++) {
      sandbox.addGrant({ userId: `u${n}`, projectId });
    }
    sandbox.addGrant();
    const { exitCode, stdout } = await cli([
      ...["list", "--project", "Billing", "--json", "--protocol", protocol],
    ]);
    const ids = stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text).grantId);
    expect(new Set(ids).size).toBe(6000);
    expect(exitCode).toBe(0);
    // The project by its id and by its name, and then the list.
    expect(calls.filter((method) => method === "ListUserGrants")).toHaveLength(5);
  });

  it("that cannot be read whole is refused, and --allow-incomplete says again what is missing", async () => {
    const row = (id: number) => ({ id: String(id), userId: "7", projectId: "8", roleKeys: ["r"] });
    sandbox = await startSandbox();
    const server = await startJsonServer(({ path, body }) => {
      const found: Record<string, unknown> = {
        "/auth/v1/users/me": { user: { id: "1" } },
        "/management/v1/orgs/me": { org: { id: "2", name: "Org" } },
        // Two rows are left out, whatever the size of the page.
        "/management/v1/users/grants/_search": {
          details: { totalResult: "5" },
          result: Number(body?.query?.offset ?? 0) === 0 ? [row(1), row(2), row(3)] : [],
        },
      };
      return found[path] === undefined ? { status: 404, body: "" } : { body: found[path] };
    });
    const setting = { env: { ZITADEL_URL: server.baseUrl, ZITADEL_TOKEN: "t" } };
    const argv = ["remove", "--project", "8", "--yes", "--no-log", "--protocol", "json"];
    const refused = await cli(argv, setting);
    expect(refused.stderr).toMatch(/^3 of 5 grants could be read: .*Nothing was done\./m);
    expect(refused.exitCode).toBe(2);
    expect(server.requests.some(({ method }) => method === "DELETE")).toBe(false);
    const allowed = await cli([...argv, "--allow-incomplete", "--no-check"], setting);
    expect(server.requests.some(({ method }) => method === "DELETE")).toBe(true);
    expect(allowed.stderr.match(/3 of 5 grants could be read/g)?.length).toBeGreaterThan(1);
    expect(allowed.exitCode).not.toBe(0);
    await server.close();
  });
});

describe("what a file says besides its ids", () => {
  it("stops the run where ZITADEL shows something else", async () => {
    const projectId = await start();
    const [ann, bob] = ["Ann", "Bob\nB"].map((name) => {
      const { userId } = sandbox.addUser({ name, email: `${name.slice(0, 3)}@example.com` });
      const roleKeys = [name === "Ann" ? "reader" : "admin"];
      return { ...sandbox.addGrant({ userId, projectId, roleKeys }), name };
    });
    const plan = (await cli(["list", "--project", projectId, "--csv"])).stdout;
    const sorted = plan
      .replace(ann?.grantId ?? "", "-")
      .replace(bob?.grantId ?? "", ann?.grantId ?? "")
      .replace("-", bob?.grantId ?? "");
    const argv = ["remove", "--yes", "--no-log", "--file"];
    const swapped = await cli([...argv, file("sorted.csv", sorted)]);
    expect(swapped.stderr).toMatch(/the file says something else about 2 grants than ZITADEL/);
    expect(swapped.stderr).toMatch(
      /sorted\.csv, line \d+, grant \d+: userId: the file says \d+, ZITADEL shows \d+ \(Bob\\u\{a\}B </,
    );
    expect(swapped.exitCode).toBe(1);
    expect(sandbox.grant(ann?.grantId ?? "")).toBeDefined();
    const another = await cli([...argv, file("role.csv", plan.replace("admin", "Admin"))]);
    expect(another.stderr).toContain("roles: the file says Admin, ZITADEL shows admin");
    expect((await cli([...argv, file("plan.csv", plan)])).exitCode).toBe(0);
    expect(sandbox.grant(ann?.grantId ?? "")).toBeUndefined();
  });

  it("stops it where a service user is said to be a person, and where a repeated id is someone else's", async () => {
    await start();
    const { projectId } = sandbox.addProject({ name: "Reports " });
    const ann = sandbox.addUser({ email: "ann@example.com" });
    const { grantId } = sandbox.addGrant({ userId: ann.userId, projectId });
    const machine = sandbox.addGrant({
      userId: sandbox.addUser({ type: "machine" }).userId,
      projectId,
    });
    const argv = ["remove", "--yes", "--no-log", "--file"];
    const said = `grantId,email\n${machine.grantId},ann@example.com\n`;
    const service = await cli([...argv, file("machine.csv", said)]);
    expect(service.stderr).toContain("email: the file says ann@example.com, ZITADEL shows none");
    const twice = `grantId,email\n${grantId},ann@example.com\n${grantId},bob@example.com\n`;
    const repeated = await cli([...argv, file("twice.csv", twice)]);
    expect(repeated.stderr).toMatch(/twice\.csv, line 3, .*: the file says bob@example\.com/);
    expect([service.exitCode, repeated.exitCode]).toEqual([1, 1]);
    const same = `grantId,email,projectName\n${grantId},ann@example.com,Reports \n${grantId},Ann@example.com,\n`;
    expect((await cli([...argv, file("same.csv", same)])).exitCode).toBe(0);
  });
});

describe("people and projects", () => {
  it("stop the run where an address or a name fits several, and list them", async () => {
    const projectId = await start();
    for (const name of ["Ann Leaver", "Bob Stays"]) {
      const { userId } = sandbox.addUser({ name, email: "team@example.com" });
      sandbox.addGrant({ userId, projectId });
    }
    const { exitCode, stderr } = await cli([
      ...["remove", "--email", "Team@example.com", "--yes", "--no-log"],
    ]);
    expect(stderr).toMatch(/--email Team@example.com fits 2 users: .*Ann Leaver.*Bob Stays/);
    expect([exitCode, calls.includes("BulkRemoveUserGrant")]).toEqual([1, false]);
  });

  it("can be named by an id that is another one's name", async () => {
    const projectId = await start();
    sandbox.addGrant({ projectId });
    sandbox.addGrant({ projectId: sandbox.addProject({ name: projectId }).projectId });
    const { stdout, exitCode } = await cli(["list", "--project", projectId, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ projectId, projectName: "Billing" });
    expect(exitCode).toBe(0);
  });

  it.each([
    ["leavers.txt", "# HR\nann@example.com\r\nBOB@example.com\n"],
    ["quoted.csv", '"E-Mail"\n"ann@example.com"\n"bob@example.com"\n'],
    ["leavers.csv", 'Name;E-Mail\n"Leaver; Ann";ann@example.com\nBob;bob@example.com\n'],
  ])("come from a file of addresses: %s", async (name, content) => {
    const projectId = await start();
    const ids = ["ann", "bob", "eve"].map((user) => {
      const { userId } = sandbox.addUser({ email: `${user}@example.com` });
      return sandbox.addGrant({ userId, projectId }).grantId;
    });
    const path = file(name, content);
    const { exitCode } = await cli(["remove", "--emails-file", path, "--yes", "--no-log"]);
    expect(exitCode).toBe(0);
    expect(ids.map((id) => sandbox.grant(id) !== undefined)).toEqual([false, false, true]);
    const mixed = file("mixed.txt", `eve@example.com\n${sandbox.addUser().userId}\n`);
    const listed = await cli(["list", "--users-file", mixed, "--json"]);
    expect(listed.stderr).toContain("1 email address in");
    expect(JSON.parse(listed.stdout).grantId).toBe(ids[2]);
  });
});

describe("the plan", () => {
  it("says which organization, right above the question, and what goes beside the selected role", async () => {
    const projectId = await start();
    sandbox.addGrant({ projectId, roleKeys: ["reader"] });
    sandbox.addGrant({ projectId, roleKeys: ["reader", "admin"] });
    const { stderr } = await cli(["remove", "--role", "reader", "--no-log"], {
      isTerminal: true,
      onOutput: (text, { type }) => text.includes("[y/N]") && type("n\n"),
    });
    expect(stderr).toContain("1 of them has other roles, too, which are removed as well.");
    expect(stderr).toMatch(
      /Instance {6}http.*\s+Organization {2}ZITADEL \(\d+\)\s+Account .*\s+Grants {8}2 to remove, of 2 users\s+Undo .*\n.*Remove 2 grants\?/,
    );
  });

  it("reads many given ids by as few requests as there are", async () => {
    const projectId = await start();
    const ids = Array.from({ length: 1500 }, () => sandbox.addGrant({ projectId }).grantId);
    const log = join(directory, "many.jsonl");
    const { exitCode } = await cli(["remove", "--yes", "--log", log], { stdin: ids.join("\n") });
    expect(exitCode).toBe(0);
    expect(
      calls.filter((method) => /UserGrant(?:s|ByID)$|Authorizations/.test(method)).length,
    ).toBeLessThan(12);
    expect(readFileSync(log, "utf8").match(/"recorded"/g)).toHaveLength(1500);
  });
});

describe("a lookup", () => {
  it.each([
    ["GetMyUser", Code.Unavailable, 5],
    // A rate limit: a response that is too large has the same code, and is asked for again with one row.
    ["ListUserGrants", Code.ResourceExhausted, 6],
  ] as const)(
    "waits as a run does while it is throttled, and says so: %s",
    async (rpc, code, times) => {
      await start();
      sandbox.failNext({ rpc, code, times });
      const { exitCode, stderr } = await cli(["list"]);
      expect(exitCode).toBe(0);
      expect(stderr).toMatch(new RegExp(`${Code[code]}.*Trying again in`));
    },
  );

  it("reads over JSON where it alone gets through, and changes nothing over it by itself", async () => {
    sandbox = await startSandbox();
    const server = await startJsonServer(({ path }) =>
      path === "/auth/v1/users/me"
        ? { body: { user: { id: "1" } } }
        : path.endsWith("/orgs/me")
          ? { body: { org: { id: "2" } } }
          : { body: { details: {} } },
    );
    const setting = { env: { ZITADEL_URL: server.baseUrl, ZITADEL_TOKEN: "t" } };
    const listed = await cli(["list"], setting);
    expect(listed.stderr).toContain("this reads over JSON");
    const rejected = await cli(["remove", "1", "--yes", "--no-log"], setting);
    expect(rejected.stderr).toMatch(
      /--protocol grpc does not get through.*\n.*add --protocol json/,
    );
    expect(rejected.exitCode).toBe(1);
    // A gateway, or a release, that does not pass on for which organization the calls are.
    const json = ["--protocol", "json", "--org", "3"];
    const other = await cli(["remove", "1", "--yes", "--no-log", ...json], setting);
    expect(other.stderr).toContain("organization 3 was given, and the server works in 2");
    expect(other.exitCode).toBe(4);
    expect(server.requests.every(({ method }) => method !== "DELETE")).toBe(true);
    await server.close();
  });
});
