import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { runIn } from "../support/project.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

it("a clone whose packages may run no script at install builds, generates, and passes tests", async () => {
  const folder = await mkdtemp(join(tmpdir(), "zitadel-user-grants-clone-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await runIn(root, "git", ["clone", "--quiet", "--depth", "1", `file://${root}`, folder]);
  const npm = (...args: string[]) => runIn(folder, "npm", args, { timeoutMs: 240_000 });
  await npm("ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund");
  expect(existsSync(join(folder, "node_modules/node/bin"))).toBe(false);
  await npm("run", "--silent", "build");
  await npm("run", "--silent", "generate");
  expect(await runIn(folder, "git", ["status", "--porcelain"])).toBe("");
  const files = ["test/options/options.test.ts", "test/sandbox", "test/browser/suite.test.ts"];
  await npm("exec", "--", "vitest", "run", ...files);
});
