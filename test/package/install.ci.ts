import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { runIn } from "../support/project.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const program = `
  import { createManagementClient } from "zitadel-user-grants";
  import { startSandbox } from "zitadel-user-grants/sandbox";
  const sandbox = await startSandbox();
  const { baseUrl, token, orgId } = sandbox;
  const grant = sandbox.addGrant();
  await createManagementClient({ baseUrl, token, orgId }).deactivateUserGrant(grant);
  console.log(sandbox.grant(grant.grantId).state);
  await sandbox.close();`;

/** A clone of the last commit without any package installed. */
let clone: string;
beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), "zitadel-user-grants-clone-"));
  await runIn(root, "git", ["clone", "--quiet", "--depth", "1", `file://${root}`, clone]);
  return () => rm(clone, { recursive: true, force: true });
});

async function emptyProject(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "zitadel-user-grants-project-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  return folder;
}

async function installAndRun(source: string): Promise<string> {
  const folder = await emptyProject();
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", source];
  await runIn(folder, "npm", install, { timeoutMs: 280_000 });
  await writeFile(join(folder, "run.js"), program);
  return runIn(folder, "node", ["run.js"]);
}

describe("a fresh clone", () => {
  it("is installed from git, and works", async () => {
    expect(await installAndRun(`git+file://${clone}`)).toBe("inactive\n");
  });

  it("is packed by npm pack alone, and the package works", async () => {
    const [{ filename }] = JSON.parse(
      await runIn(clone, "npm", ["pack", "--json", "--prefer-offline"], { timeoutMs: 280_000 }),
    ) as [{ filename: string }];
    expect(await installAndRun(join(clone, filename))).toBe("inactive\n");
  });

  it("is packed without files that an earlier build left in dist/", async () => {
    await cp(join(clone, "README.md"), join(clone, "dist/left.js"));
    await runIn(clone, "npm", ["pack", "--json"], { timeoutMs: 280_000 });
    expect(existsSync(join(clone, "dist/left.js"))).toBe(false);
    expect(await readdir(join(clone, "dist"))).toContain("index.js");
  });
});
