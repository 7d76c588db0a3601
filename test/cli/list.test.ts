import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import Papa from "papaparse";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { addCompany, type Company } from "./company.js";
import { type Run, run, type Setting } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "cli-list-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe.each(["v4", "v2.70"] as const)("against ZITADEL %s", (generation) => {
  let sandbox: SandboxServer;
  let company: Company;
  beforeEach(async () => {
    sandbox = await startSandbox({ generation });
    company = addCompany(sandbox);
  });
  afterEach(() => sandbox.close());

  const environment = () => ({
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  });
  const cli = (argv: readonly string[], setting: Setting = {}): Promise<Run> =>
    run(argv, { ...setting, env: setting.env ?? environment() });

  /** The names of the grants that a list holds. */
  async function listed(...argv: string[]) {
    const { exitCode, stdout, stderr } = await cli(["list", "--json", ...argv]);
    expect(exitCode).toBe(stderr.includes("Not matched") ? 2 : 0);
    const names = Object.entries(company.grants);
    return stdout
      .split("\n")
      .filter((text) => text !== "")
      .map((text) => names.find(([, id]) => id === JSON.parse(text).grantId)?.[0])
      .sort();
  }

  describe("list", () => {
    it("selects: the same flag twice is either, different flags are both", async () => {
      const { users, projects } = company;
      expect(await listed()).toHaveLength(5);
      expect(await listed("--user", users.jane)).toEqual(["janeBilling", "janeReports"]);
      expect(await listed("--user", users.jane, "--user", users.joe)).toHaveLength(4);
      expect(await listed("--user", users.jane, "--project", projects.reports)).toEqual([
        "janeReports",
      ]);
      expect(await listed("--email", "JANE@example.com")).toEqual(["janeBilling", "janeReports"]);
      expect(await listed("--project", "Billing")).toEqual([
        ...["botBilling", "janeBilling", "joeBilling"],
      ]);
      expect(await listed("--project", "Billing", "--role", "reader")).toEqual([
        ...["janeBilling", "joeBilling"],
      ]);
      expect(await listed("--role", "admin", "--role", "cost, center")).toEqual([
        ...["botBilling", "janeBilling"],
      ]);
      expect(await listed("--state", "inactive")).toEqual(["joeReports"]);
      expect(await listed("--user-type", "machine")).toEqual(["botBilling"]);
      expect(
        await listed("--user", users.jane, "--email", "joe@example.com", "--role", "reader"),
      ).toEqual([]);
    });

    it("takes users from a file, however many there are", async () => {
      const ids = [company.users.joe, ...Array.from({ length: 60 }, (_, n) => String(1000 + n))];
      const path = file("users.txt", `# leavers\n${ids.join("\r\n")}\n`);
      expect(await listed("--users-file", path)).toEqual(["joeBilling", "joeReports"]);
      const { stdout } = await cli(["list", "--users-file", "-", "--csv"], {
        stdin: `${company.users.joe}\n`,
      });
      expect(stdout.trim().split("\n")).toHaveLength(3);
    });

    it("reports values that match no grant", async () => {
      const { exitCode, stderr } = await cli([
        ...["list", "--email", "jane@example.com", "--email", "nobody@example.com"],
      ]);
      expect(stderr).toMatch(/^2 grants in .*\nNot matched: --email nobody@example.com\n$/);
      expect(exitCode).toBe(2);
    });

    it("is a table on a terminal that fits it, and the columns are in line", async () => {
      const { stdout } = await cli(["list"], { isTerminal: true });
      const [head = "", ...rows] = stdout.trimEnd().split("\n");
      expect(head).toMatch(/^USER +PROJECT +ROLES +STATE +USER ID +GRANT ID$/);
      expect(rows).toHaveLength(5);
      for (const row of [head, ...rows]) {
        expect(row.length).toBeLessThanOrEqual(100);
      }
      expect(stdout).toContain(company.grants.janeBilling);
      expect(rows.every((row) => row[head.indexOf("STATE") - 1] === " ")).toBe(true);
    });

    it("escapes control characters on a terminal, and formulas in CSV", async () => {
      const userId = sandbox.addUser({ name: "=cmd()\u001b[2J", email: "x@y.example" }).userId;
      sandbox.addGrant({ userId });
      const table = await cli(["list", "--user", userId], { isTerminal: true });
      expect(table.stdout).toContain("=cmd()\\u{1b}[2J");
      expect(table.stdout).not.toContain("\u001b");
      const csv = await cli(["list", "--user", userId, "--csv"]);
      const [row] = Papa.parse<Record<string, string>>(csv.stdout, { header: true }).data;
      expect(row?.displayName).toBe("'=cmd()\u001b[2J");
    });

    it.each([
      [["list", "--user", ""], /--user was given an empty value/],
      [["list", "--state", "off"], /--state takes active, inactive/],
      [["list", "--rate", "0"], /--rate takes a whole number/],
      [["list", "everything"], /Unexpected argument 'everything'/],
      [
        ["list", "--users-file", "/nonexistent"],
        /\/nonexistent cannot be read: no such file or directory/,
      ],
    ])("rejects %j", async (argv, message) => {
      const { exitCode, stdout, stderr } = await cli(argv);
      expect(stderr).toMatch(message);
      expect([exitCode, stdout]).toEqual([1, ""]);
    });

    it("rejects a name that fits several projects, before it lists anything", async () => {
      const { projectId } = sandbox.addProject({ name: "Billing" });
      sandbox.addGrant({ projectId });
      const { exitCode, stdout, stderr } = await cli(["list", "--project", "Billing"]);
      expect(stderr).toContain(`${company.projects.billing} with 3 grants`);
      expect(stderr).toContain(`${projectId} with 1 grant`);
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(await listed("--project", projectId)).toHaveLength(1);
    });

    it("reports why a search failed", async () => {
      const { token } = sandbox.addUser();
      const { exitCode, stderr } = await cli(["list"], {
        env: { ...environment(), ZITADEL_TOKEN: token },
      });
      expect(stderr).toMatch(/AUTHZ-cdgFk.*no manager role/);
      expect(exitCode).toBe(4);
      // An id is ZITADEL's own: no proxy is to blame.
      sandbox.failNext({ rpc: "ListUserGrants", code: Code.Internal, id: "QUERY-aAZ1D" });
      const failed = await cli(["list"]);
      expect(failed.stderr).toMatch(/^Internal QUERY-aAZ1D: (?!.*proxy)/);
    });
  });

  describe("remove and deactivate by selector", () => {
    it("show what is about to happen in readable form, and do it", async () => {
      const { exitCode, stdout, stderr } = await cli([
        ...["remove", "--project", "Billing", "--role", "reader", "--no-log", "--yes"],
      ]);
      expect(stderr).toContain("Grants        2 to remove, of 2 users\n");
      expect(stderr).toContain(`By project\n          2  Billing (${company.projects.billing})\n`);
      expect(stderr).toContain("By role\n          2  reader\n          1  admin\n");
      expect(stderr).toContain(
        `  ${company.grants.janeBilling}  Jane Doe <Jane@example.com>  Billing: admin, reader\n`,
      );
      expect(exitCode).toBe(0);
      expect(stdout.split("\n").sort()).toEqual([
        "",
        ...[company.grants.janeBilling, company.grants.joeBilling]
          .map((id) => `${id}\tremoved`)
          .sort(),
      ]);
      expect(sandbox.grant(company.grants.janeBilling)).toBeUndefined();
      expect(sandbox.grant(company.grants.botBilling)).toBeDefined();
    });

    it("need no user ids to deactivate", async () => {
      const { exitCode } = await cli([
        "deactivate",
        "--email",
        "jane@example.com",
        "-y",
        "--no-log",
      ]);
      expect(exitCode).toBe(0);
      expect(sandbox.grant(company.grants.janeReports)?.state).toBe("inactive");
      expect(sandbox.grant(company.grants.joeBilling)?.state).toBe("active");
    });

    it("report what is not matched, and exit with code 2 for it", async () => {
      const argv = ["remove", "--email", "jane@example.com", "--email", "nobody@example.com"];
      const { exitCode, stderr } = await cli([...argv, "--yes", "--no-log"]);
      expect(stderr).toContain("Not matched   --email nobody@example.com\n");
      expect(stderr).toContain("2 removed");
      expect(exitCode).toBe(2);
      const nothing = await cli([...argv, "--yes", "--no-log"]);
      expect(nothing.stderr).toContain("Nothing was done: no grant matches.");
      expect(nothing.exitCode).toBe(2);
      expect((await cli([...argv, "--yes", "--allow-unknown"])).exitCode).toBe(0);
    });

    it("do nothing in a dry run but report what would be done", async () => {
      const { exitCode, stdout, stderr } = await cli(["remove", "--role", "reader", "--dry-run"]);
      expect(stderr).toContain("Grants        4 to remove, of 2 users; 1 of them inactive\n");
      expect(stderr).toContain("This was a dry run: nothing was done.");
      expect([exitCode, stdout]).toEqual([0, ""]);
      expect(sandbox.grant(company.grants.janeReports)).toBeDefined();
    });

    it.each([
      [["remove", "--project", ""], /--project was given an empty value/],
      [
        ["remove", "1", "--project", "Billing"],
        /Give ids, or select grants with --project, not both/,
      ],
      [
        ["remove", "--file", "x", "--role", "a"],
        /Give ids, or select grants with --role, not both/,
      ],
    ])("reject %j", async (argv, message) => {
      const { exitCode, stderr } = await cli([...argv, "--yes"]);
      expect(stderr).toMatch(message);
      expect(exitCode).toBe(1);
    });
  });

  describe("what list writes", () => {
    it.each(["csv", "json"])(
      "is a plan that remove and deactivate read again: %s",
      async (output) => {
        const { stdout } = await cli(["list", "--project", "Billing", `--${output}`]);
        const path = file(`plan.${output}`, stdout);
        const dry = await cli(["remove", "--file", path, "--dry-run"]);
        expect(dry.stderr).toContain("Grants        3 to remove, of 3 users\n");
        expect(dry.stderr).toContain("          1  cost, center\n");
        const deactivated = await cli(["deactivate", "--file", path, "--yes", "--no-log"]);
        expect(deactivated.exitCode).toBe(0);
        const removed = await cli(["remove", "--file", path, "--yes", "--no-log"]);
        expect(removed.stderr).toContain("3 removed");
        expect(await listed()).toEqual(["janeReports", "joeReports"]);
      },
    );
  });

  it("deactivate --json feeds deactivate", async () => {
    const first = await cli(["deactivate", "--role", "reader", "--json", "--yes", "--no-log"]);
    const again = await cli(["deactivate", "--json", "--yes", "--no-log"], { stdin: first.stdout });
    expect(again.exitCode).toBe(0);
    expect(again.stdout.trim().split("\n")).toHaveLength(4);
  });

  it("a dry run reports the state of given ids", async () => {
    const { grants } = company;
    const other = sandbox.addOrg().orgId;
    const foreign = sandbox.addGrant({ orgId: other }).grantId;
    const ids = [grants.janeBilling, grants.joeReports, "999999", foreign];
    const { exitCode, stdout, stderr } = await cli(["remove", ...ids, "--dry-run"]);
    const lines = stdout.trim().split("\n");
    expect(lines).toContain(`${grants.janeBilling}\tactive`);
    expect(lines).toContain(`${grants.joeReports}\tinactive`);
    expect(lines).toContain("999999\tnot found");
    expect(lines.find((text) => text.startsWith(foreign))).toMatch(
      /\t(not found|of another organization)/,
    );
    expect(stderr).toContain("; 2 not found\n");
    expect(exitCode).toBe(2);
  });
});
