import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, ".cache", "docs");
const text = await readFile(join(root, "docs", "tokens.md"), "utf8");
const programs = [...text.matchAll(/^```ts( browser)?\n(.*?)^```$/gms)].map(
  ([, browser, code = ""], index) => ({ browser: browser !== undefined, code, index }),
);

/** What the programs leave to the reader. */
const prelude = `
const { userId, grantId } = JSON.parse(process.env.ONE ?? "") as { userId: string; grantId: string };
`;

let sandbox: SandboxServer;

beforeAll(async () => {
  sandbox = await startSandbox();
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "key.json"), JSON.stringify(sandbox.addKey()));
  for (const { code, index } of programs) {
    const adapted = code.replaceAll("https://example.zitadel.cloud", sandbox.baseUrl);
    await writeFile(join(folder, `program-${index}.ts`), `${prelude}${adapted}\nexport {};\n`);
  }
});

afterAll(() => sandbox.close());

test.each(programs.filter(({ browser }) => !browser))("program $index runs", async ({ index }) => {
  const { clientId, clientSecret } = sandbox.addClientSecret();
  await run(process.execPath, [`program-${index}.ts`], {
    cwd: folder,
    timeout: 15_000,
    env: {
      ONE: JSON.stringify(sandbox.addGrant()),
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_KEY: await readFile(join(folder, "key.json"), "utf8"),
      ZITADEL_CLIENT_ID: clientId,
      ZITADEL_CLIENT_SECRET: clientSecret,
    },
  });
});

test("all programs are well typed", async () => {
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"],
    }),
  );
  const { stdout } = await run("tsc", ["-p", folder]).catch((error) => error);
  expect(stdout).toBe("");
});
