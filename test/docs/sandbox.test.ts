import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { sandbox as command } from "../../src/cli/commands/sandbox.js";
import { flagsOf } from "../../src/cli/flags.js";
import { rpcNames } from "../../src/sandbox/model/faults.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, ".cache", "docs-sandbox");
const text = await readFile(join(root, "docs", "sandbox.md"), "utf8");
const codeOf = (language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, code = ""], index) => ({ code, index }),
  );
const programs = codeOf("ts");

beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "seed.json"), codeOf("json")[0]?.code ?? "");
  for (const { code, index } of programs) {
    await writeFile(join(folder, `program-${index}.ts`), code);
  }
});

test.each(programs)(
  "program $index of docs/sandbox.md runs",
  { timeout: 30_000 },
  async ({ index }) => {
    await run(process.execPath, [`program-${index}.ts`], { cwd: folder, timeout: 30_000 });
  },
);

test("all programs of docs/sandbox.md are well typed", { timeout: 60_000 }, async () => {
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"] }),
  );
  const { stdout } = await run("tsc", ["-p", folder]).catch((error) => error);
  expect(stdout).toBe("");
});

test("docs/sandbox.md names every flag and every RPC", () => {
  for (const flag of Object.keys(flagsOf(command)).filter((name) => name !== "help")) {
    expect(text).toContain(`\`--${flag}\``);
  }
  for (const rpc of rpcNames) {
    expect(text).toContain(`\`${rpc}\``);
  }
});
