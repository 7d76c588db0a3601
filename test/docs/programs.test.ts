import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { run as runCli } from "../cli/run.js";
import { launchChromium } from "../support/chromium.js";
import { serveScript } from "../support/http-server.js";
import { startOtherServices } from "../support/other-services.js";
import {
  type Block,
  blocksOf,
  environmentFor,
  fileOf,
  namedVariables,
  root,
  variablesOf,
} from "../support/programs.js";

const run = promisify(execFile);
const folder = join(root, ".cache", "readme");

const readme = blocksOf("README.md");
const programs = readme.filter(({ language }) => language === "ts");
const pages = readme.filter(({ language }) => language === "ts browser");
const documented = ["bulk", "scale", "tokens", "sandbox"].flatMap((name) =>
  blocksOf(`docs/${name}.md`).filter(({ language }) => language.startsWith("ts")),
);

/** What the programs of the docs leave to the reader. */
const prelude = `
const { userId, grantId } = JSON.parse(process.env.ONE ?? "") as { userId: string; grantId: string };
const ids = JSON.parse(process.env.IDS ?? "") as string[];
const [a = "", b = ""] = ids;
export {};
`;

let sandbox: SandboxServer;
beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  sandbox = await startSandbox();
  for (const block of [...programs, ...pages]) {
    await writeFile(join(folder, fileOf(block)), block.code);
  }
  for (const block of documented) {
    const code = block.code
      .replaceAll("https://example.zitadel.cloud", sandbox.baseUrl)
      .replaceAll("69629023906488334", sandbox.orgId);
    // A whole program needs nothing; it may have names of its own.
    const before =
      /\b(?:userId, grantId|ids?)\b/.test(code) && !code.includes("startSandbox") ? prelude : "";
    await writeFile(join(folder, fileOf(block)), before + code);
  }
});
afterAll(() => sandbox.close());

/** Runs a file of the folder with these variables and no others, and returns what it prints. */
async function runFile(file: string, env: Record<string, string>): Promise<string> {
  const { stdout } = await run(process.execPath, [file], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    timeout: 15_000,
  });
  return stdout;
}

describe("a program of the README", () => {
  it.each(programs)("at $place runs as it stands, and prints something", async (block) => {
    if (block.code.includes("listUserGrants")) {
      const { userId } = sandbox.addUser();
      const { projectId } = sandbox.addProject({ name: "Portal" });
      const { grantId } = sandbox.addGrant({ userId, projectId, roleKeys: ["admin", "editor"] });
      for (let more = 0; more < 100; more++) {
        sandbox.addGrant({ userId, ...sandbox.addProject() });
      }
      const { baseUrl: ZITADEL_URL, token: ZITADEL_TOKEN } = sandbox;
      const env = { ZITADEL_URL, ZITADEL_TOKEN, USER_ID: userId };
      const lines = (await runFile(fileOf(block), env)).trim().split("\n");
      expect(lines).toContain(`${grantId} Portal admin,editor ACTIVE`);
      expect([lines.length, lines.at(-1)]).toEqual([102, "101 of 101 grants"]);
      return;
    }
    const others = Array.from({ length: 3 }, () => sandbox.addGrant().grantId);
    const { env, named } = await environmentFor(block, sandbox, folder);
    expect(await runFile(fileOf(block), env)).toMatch(/\S/);
    expect(others.map((grantId) => sandbox.grant(grantId)?.state)).toEqual(
      others.map(() => "active"),
    );
    const touched = named.some((grantId) => sandbox.grant(grantId)?.state !== "active");
    expect(touched).toBe(/Deactivates|Removes/.test(block.code.split("\n", 1)[0] ?? ""));
  });

  it.each(programs)("at $place names in its first line what it needs", (block) => {
    const optional = ["ZITADEL_ORG_ID"];
    const needed = variablesOf(block).filter((name) => !optional.includes(name));
    expect(namedVariables(block).sort()).toEqual(needed.sort());
  });
});

it("the programs of README and docs are well typed", async () => {
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: {
        types: ["node", "vite/client"],
        noUnusedLocals: false,
        noUnusedParameters: false,
      },
      include: ["*.mts"],
    }),
  );
  const { stdout } = await run("tsc", ["-p", folder]).catch((error) => error);
  expect(stdout).toBe("");
});

describe("a page of the README", () => {
  it.each(pages)(
    "at $place is built as it stands, signs in, and revokes a grant",
    async (block) => {
      let script = "";
      const origin = await serveScript(() => script);
      const { clientId } = sandbox.addApp({ redirectUris: [origin] });
      const { outputFiles } = await build({
        entryPoints: [join(folder, fileOf(block))],
        bundle: true,
        format: "esm",
        write: false,
        tsconfigRaw: {},
        define: {
          "import.meta.env": JSON.stringify({
            VITE_ZITADEL_URL: sandbox.baseUrl,
            VITE_ZITADEL_CLIENT_ID: clientId,
          }),
        },
      });
      script = outputFiles[0]?.text ?? "";
      const browser = await launchChromium();
      onTestFinished(() => browser.close());

      const page = await browser.newPage();
      await page.goto(origin);
      await page.waitForURL(`${sandbox.baseUrl}/ui/login**`);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "try again" }).click();
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.waitForURL(origin);
      const { grantId } = sandbox.addGrant();
      page.on("dialog", (dialog) => dialog.accept(grantId));
      await page.getByRole("button", { name: "Revoke a grant" }).click();
      await page.getByText(`Grant ${grantId} is removed`).waitFor();
      expect(sandbox.grant(grantId)).toBeUndefined();
      await page.getByRole("button").click();
      await page.getByText("User grant not found").waitFor();
    },
  );
});

describe("a program of the docs", () => {
  const runnable = documented.filter(({ language }) => language === "ts");

  it.each(runnable)("at $place runs", { timeout: 30_000 }, async (block: Block) => {
    const key = JSON.stringify(sandbox.addKey());
    const [seed] = blocksOf("docs/sandbox.md").filter(({ language }) => language === "json");
    await writeFile(join(folder, "key.json"), key);
    await writeFile(join(folder, "seed.json"), seed?.code ?? "");
    const { clientId, clientSecret } = sandbox.addClientSecret();
    const { projectId } = sandbox.addProject();
    const ofProject = Array.from({ length: 3 }, () => sandbox.addGrant({ projectId }).grantId);
    await runFile(fileOf(block), {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_ORG_ID: sandbox.orgId,
      ZITADEL_KEY: key,
      ZITADEL_CLIENT_ID: clientId,
      ZITADEL_CLIENT_SECRET: clientSecret,
      PROJECT_ID: projectId,
      ONE: JSON.stringify(sandbox.addGrant()),
      IDS: JSON.stringify(Array.from({ length: 4 }, () => sandbox.addGrant().grantId)),
    });
    const isLeft = ofProject.map((grantId) => sandbox.grant(grantId) !== undefined);
    expect(new Set(isLeft)).toEqual(new Set([!block.code.includes("PROJECT_ID")]));
  });

  it("of docs/future.md deletes an authorization, and recognizes one that did not exist", async () => {
    const [block] = blocksOf("docs/future.md").filter(({ language }) => language === "ts");
    await writeFile(join(folder, "future.mts"), block?.code ?? "");
    const { baseUrl, token, authorizations, close } = await startOtherServices();
    onTestFinished(close);
    const program = (ZITADEL_TOKEN: string) =>
      runFile("future.mts", { ZITADEL_URL: baseUrl, ZITADEL_TOKEN, GRANT_ID: "1" });
    expect(await program(token)).toBe("1 is deleted\n");
    expect([...authorizations]).toEqual(["2"]);
    expect(await program(token)).toBe("1 did not exist\n");
    expect(await program("another")).toBe("auth header missing\n");
  });
});

describe("commands of README and docs", () => {
  const commands = ["README.md", "CONTRIBUTING.md", "docs/cli.md", "docs/bulk.md"]
    .flatMap(blocksOf)
    .filter(({ language }) => language === "sh")
    .flatMap(({ code, place }) =>
      code
        .split("\n")
        .filter((line) => line.trim() !== "" && !line.startsWith("#"))
        .map((command) => ({ command, place })),
    );

  it.each(commands)("$command ($place) exists", async ({ command }) => {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    for (const [, script = ""] of command.matchAll(/npm (?:run )?(\w+)/g)) {
      expect(["install", "ci", ...Object.keys(scripts)]).toContain(script);
    }
    const [, tool] = /zitadel-user-grants (\w+)/.exec(command) ?? [];
    if (tool !== undefined && !command.startsWith("npm install")) {
      const { exitCode, stdout } = await runCli([tool, "--help"]);
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining(tool)]);
    }
  });
});
