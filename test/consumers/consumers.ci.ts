import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { openChromium } from "../support/browsers.js";
import { serveScript } from "../support/http-server.js";
import { type Project, useProject } from "../support/project.js";

/** A project of its own from a folder beside this file. */
const projectOf = (folder: string, packages: Record<string, string> = {}) =>
  useProject(new URL(`${folder}/`, import.meta.url), packages);

/** The versions that are there of a package. More than one would break `instanceof` and descriptors. */
async function copiesOf(project: Project, name: string): Promise<string[]> {
  const found = await project.run("npm", ["ls", name, "--all", "--parseable"]);
  return found.trim().split("\n");
}

async function expectOneCopy(project: Project): Promise<void> {
  for (const name of ["@connectrpc/connect", "@bufbuild/protobuf"]) {
    expect(await copiesOf(project, name)).toHaveLength(1);
  }
}

describe("services of @zitadel/proto", () => {
  const project = projectOf("zitadel-proto", { "@zitadel/proto": "^1.3.1", esbuild: "^0.28.2" });

  it("run over our transports, beside our own generated code", async () => {
    await expectOneCopy(project());
    expect(await project().run("node", ["services.js"])).toBe("ok\n");
  });

  it("list a project's grants for removeUserGrants", async () => {
    expect(await project().run("node", ["run-remove-project-grants.js"])).toBe("ok\n");
  });

  it("share one copy of Connect and protobuf-es with us in a bundle", async () => {
    await project().run("esbuild", [
      "remove-project-grants.js",
      "--bundle",
      "--platform=browser",
      "--format=esm",
      "--outfile=out.js",
      "--metafile=meta.json",
    ]);
    const { inputs } = JSON.parse(await readFile(join(project().folder, "meta.json"), "utf8"));
    const folders = Object.keys(inputs)
      .map((file) => /^(.*\/(?:@connectrpc\/connect|@bufbuild\/protobuf)\/dist\/\w+)\//.exec(file))
      .flatMap((match) => match?.[1] ?? []);
    expect([...new Set(folders)].sort()).toEqual([
      "node_modules/@bufbuild/protobuf/dist/esm",
      "node_modules/@connectrpc/connect/dist/esm",
    ]);
  });
});

describe("the test tools that programs around the client are tested with", () => {
  const project = projectOf("test-tools");
  const jest = { NODE_OPTIONS: "--experimental-vm-modules" };

  it("node:test", async () => {
    const output = await project().run("node", ["--test", "run.node.js"]);
    expect(output).toMatch(/^(?:ℹ|#) pass 1$/m);
  });

  it("Vitest, with MSW, nock and fake timers", async () => {
    const output = await project().run("vitest", ["run", "node.vitest.js", "--no-color"]);
    expect(output).toMatch(/Tests\s+4 passed/);
  });

  it.each(["happy-dom", "jsdom"])("signIn in Vitest's %s", async (environment) => {
    const args = ["run", "dom.vitest.js", "--environment", environment, "--no-color"];
    expect(await project().run("vitest", args)).toMatch(/Tests\s+1 passed/);
  });

  it("Jest, which loads ES modules behind a flag of Node, and signIn in its happy-dom", async () => {
    const output = await project().run("jest", ["--json"], { env: jest });
    expect(JSON.parse(output)).toMatchObject({ numPassedTests: 2, numFailedTests: 0 });
  });
});

describe("Connect-Query", () => {
  const project = projectOf("connect-query");

  it("removes a grant by a React button", async () => {
    await expectOneCopy(project());
    const { folder, run } = project();
    await run("esbuild", [
      "app.jsx",
      "--bundle",
      "--jsx=automatic",
      "--define:process.env.NODE_ENV='production'",
      "--outfile=app.js",
    ]);
    const script = await readFile(join(folder, "app.js"), "utf8");
    const site = await serveScript(() => script);
    const [browser, sandbox] = await Promise.all([openChromium(), startSandbox()]);
    onTestFinished(async () => {
      await Promise.all([browser.close(), sandbox.close()]);
    });

    await browser.goto(site);
    const { baseUrl, token, orgId } = sandbox;
    const { grantId } = sandbox.addGrant();
    const says = (text: string) =>
      browser.evaluate(`new Promise((resolve) => {
        const look = () => {
          const button = document.querySelector("button");
          return button?.textContent === "${text}" ? resolve("${text}") : setTimeout(look, 20);
        };
        look();
      })`);
    await browser.evaluate(`show(${JSON.stringify({ baseUrl, token, orgId, grantId })}) ?? ""`);
    await says("idle");
    await browser.evaluate('document.querySelector("button").click() ?? ""');
    await says("success");
    expect(sandbox.grant(grantId)).toBeUndefined();
    await browser.evaluate('document.querySelector("button").click() ?? ""');
    await says("COMMAND-1My0t");
  });
});
