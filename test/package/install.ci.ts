import { existsSync } from "node:fs";
import { cp, lstat, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
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

async function install(source: string): Promise<string> {
  const folder = await emptyProject();
  const command = ["install", "--prefer-offline", "--no-audit", "--no-fund", source];
  await runIn(folder, "npm", command, { timeoutMs: 280_000 });
  return folder;
}

async function run(folder: string): Promise<string> {
  await writeFile(join(folder, "run.js"), program);
  return runIn(folder, "node", ["run.js"]);
}

/** What a folder takes of a disk, in whole blocks of 4 KiB. */
async function bytesOnDisk(folder: string): Promise<number> {
  const block = 4096;
  let bytes = block;
  for (const name of await readdir(folder, { recursive: true })) {
    const entry = await lstat(join(folder, name));
    bytes += entry.isSymbolicLink()
      ? 0
      : entry.isDirectory()
        ? block
        : Math.ceil(entry.size / block) * block;
  }
  return bytes;
}

describe("a fresh clone", () => {
  it("is installed from git, and works", async () => {
    expect(await run(await install(`git+file://${clone}`))).toBe("inactive\n");
  });

  it("is packed by npm pack alone, and what it packs works, and takes 8.5 MB at most", async () => {
    const [{ filename }] = JSON.parse(
      await runIn(clone, "npm", ["pack", "--json", "--prefer-offline"], { timeoutMs: 280_000 }),
    ) as [{ filename: string }];
    const folder = await install(join(clone, filename));
    expect(await run(folder)).toBe("inactive\n");
    const command = join(folder, "node_modules/.bin/zitadel-user-grants");
    expect(await runIn(folder, command, ["--help"])).toContain("Usage: zitadel-user-grants");
    // With both peers, which npm installs as well.
    expect(await readdir(join(folder, "node_modules/@bufbuild"))).toEqual(["protobuf"]);
    expect(await readdir(join(folder, "node_modules/@connectrpc"))).toContain("connect");
    expect(await bytesOnDisk(join(folder, "node_modules"))).toBeLessThanOrEqual(8_500_000);
  });

  it("is not packed with what an earlier build left in dist/", async () => {
    await cp(join(clone, "README.md"), join(clone, "dist/left.js"));
    await runIn(clone, "npm", ["pack", "--json"], { timeoutMs: 280_000 });
    expect(existsSync(join(clone, "dist/left.js"))).toBe(false);
    expect(await readdir(join(clone, "dist"))).toContain("index.js");
  });
});
