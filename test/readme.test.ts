import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../src/sandbox/index.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}.cache/readme/`;

const files = ["README.md", "docs/bulk.md", "docs/cli.md", "docs/scale.md"];
const texts = await Promise.all(files.map((file) => readFile(root + file, "utf8")));
const blocks = texts.flatMap((text, index) =>
  [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([whole, language, code]) => ({
    language,
    code: code ?? "",
    place: `${files[index]}:${text.slice(0, text.indexOf(whole)).split("\n").length}`,
  })),
);

/** What the blocks of the README leave to the reader. */
const prelude = `
const { userId, grantId } = JSON.parse(process.env.ONE as string) as { userId: string; grantId: string };
const ids = JSON.parse(process.env.IDS as string) as string[];
const [a = "", b = ""] = ids;
`;

let sandbox: SandboxServer;
beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

/** The environment that the README's blocks run in. */
function environment(): NodeJS.ProcessEnv {
  const ids = Array.from({ length: 4 }, () => sandbox.addGrant().grantId);
  return {
    ...process.env,
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
    ZITADEL_KEY: JSON.stringify(sandbox.addKey()),
    ONE: JSON.stringify(sandbox.addGrant()),
    IDS: JSON.stringify(ids),
  };
}

/** Puts the sandbox where the README names an instance. */
function adapt(code: string): string {
  return code
    .replaceAll("https://example.zitadel.cloud", sandbox.baseUrl)
    .replaceAll("69629023906488334", sandbox.orgId);
}

describe("README and docs", () => {
  const programs = blocks.filter(({ language }) => language === "ts" || language === "js");

  it.each(programs)("runs the program at $place", async ({ code, place }) => {
    const file = `${folder}${place.replace(/\W/g, "-")}.ts`;
    await writeFile(file, prelude + adapt(code));
    await run("node", [file], { env: environment(), timeout: 15_000 });
  });

  it.each(blocks.filter(({ language }) => language === "sh"))(
    "has commands that exist at $place",
    async ({ code }) => {
      const { scripts } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
      for (const command of adapt(code)
        .split("\n")
        .filter((l) => l.trim() && !l.startsWith("#"))) {
        const script = /npm run (\w+)|npm (test)/.exec(command);
        if (/^npm (install|ci)/.test(command) && !script) {
          expect(command).toMatch(/zitadel-user-grants|ci/);
        } else if (script) {
          expect(Object.keys(scripts)).toContain(script[1] ?? script[2]);
        } else {
          expect(command).toMatch(/npx zitadel-user-grants /);
        }
      }
    },
  );

  it.each(files.map((file, index) => [file, texts[index] ?? ""]))(
    "links only to files that exist in %s",
    async (file, text) => {
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link ?? "");
      for (const link of links) {
        await expect(readFile(new URL(link, `file://${root}${file}`)), link).resolves.toBeDefined();
      }
    },
  );
});
