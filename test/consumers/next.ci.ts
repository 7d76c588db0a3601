import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { openChromium, type SimpleBrowser } from "../support/browsers.js";
import { installProject, type Project } from "../support/project.js";
import { recipes } from "./recipes.js";

let sandbox: SandboxServer;
let browser: SimpleBrowser;
let project: Project;
let origin: string;
let stop = async () => {};

beforeAll(async () => {
  [sandbox, browser, project] = await Promise.all([
    startSandbox(),
    openChromium(),
    installProject(new URL("next/", import.meta.url)),
  ]);
  for (const { file, code } of recipes.filter(({ file }) => /^(?:app|lib)\//.test(file))) {
    await mkdir(dirname(join(project.folder, file)), { recursive: true });
    await writeFile(join(project.folder, file), code);
  }
  const program = new URL("../bundlers/plain/program.js", import.meta.url);
  await copyFile(program, join(project.folder, "program.js"));
  const { clientId, clientSecret } = sandbox.addClientSecret();
  const env = {
    NEXT_TELEMETRY_DISABLED: "1",
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_CLIENT_ID: clientId,
    ZITADEL_CLIENT_SECRET: clientSecret,
  };
  await project.run("next", ["build"], { env, timeoutMs: 240_000 });
  const next = spawn(join(project.folder, "node_modules/.bin/next"), ["start", "--port", "0"], {
    cwd: project.folder,
    env: { ...process.env, ...env, NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  stop = async () => {
    const ended = once(next, "exit");
    process.kill(-Number(next.pid));
    await ended;
  };
  origin = await new Promise<string>((resolve, reject) => {
    next.on("exit", (code) => reject(new Error(`next start ended with ${code}`)));
    let text = "";
    next.stdout.on("data", (chunk) => {
      text += chunk;
      const [, port] = /Local:\s+http:\/\/localhost:(\d+)/.exec(text) ?? [];
      if (port !== undefined) {
        resolve(`http://localhost:${port}`);
      }
    });
  });
});
afterAll(async () => {
  await stop();
  await Promise.all([sandbox?.close(), browser?.close(), project?.remove()]);
});

/** What `program.js` is told; its grant is gone once it has run. */
function order(): string {
  const { baseUrl, token, orgId } = sandbox;
  return JSON.stringify({ baseUrl, token, orgId, grantId: sandbox.addGrant().grantId });
}

async function hydrated(): Promise<void> {
  await browser.goto(origin);
  await browser.evaluate(`new Promise((resolve) => {
    const look = () => (globalThis.run ? resolve("") : setTimeout(look, 20));
    look();
  })`);
}

describe("both halves in one Next.js application", () => {
  it("native gRPC on the server", async () => {
    const response = await fetch(`${origin}/server`, { method: "POST", body: order() });
    expect(await response.json()).toEqual({ protocol: "gRPC", id: "COMMAND-1My0t" });
  });

  it("gRPC-web in the browser", async () => {
    await hydrated();
    const found = { protocol: "gRPC-web", id: "COMMAND-1My0t" };
    expect(JSON.parse(await browser.evaluate(`run(${order()})`))).toEqual(found);
  });

  it("no code for Node in what the browser loads", async () => {
    const folder = join(project.folder, ".next", "static");
    const files = (await readdir(folder, { recursive: true })).filter((file) => /\.js$/.test(file));
    const text = (
      await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")))
    ).join("\n");
    expect(text.includes("x-zitadel-orgid")).toBe(true);
    expect(/["'`]node:/.exec(text)).toBeNull();
  });
});

describe("the recipes", () => {
  // Where a route says so, Next keeps responses that do not ask for anything else, of POST as well.
  it.each(["grants", "edge", "cached", "cached-edge"])(
    "the route %s revokes, also after its token has expired",
    async (route) => {
      for (let round = 0; round < 2; round++) {
        const { grantId } = sandbox.addGrant();
        const url = `${origin}/${route}/${grantId}`;
        const response = await fetch(url, { method: "DELETE" });
        expect([response.status, await response.text()]).toEqual([204, ""]);
        expect(sandbox.grant(grantId)).toBeUndefined();
        expect((await fetch(url, { method: "DELETE" })).status).toBe(404);
        sandbox.expireTokens();
      }
    },
  );

  it("a server action revokes", async () => {
    await hydrated();
    const { grantId } = sandbox.addGrant();
    const outcome = await browser.evaluate(`revoke("${grantId}").then(JSON.stringify)`);
    expect(JSON.parse(outcome)).toEqual({ ok: true, message: "revoked" });
    expect(sandbox.grant(grantId)).toBeUndefined();
  });
});
