import { readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { startProgram } from "../examples/program.js";
import { launchChromium } from "../support/chromium.js";
import { serveScript } from "../support/http-server.js";
import { listen } from "../support/listen.js";
import { startOtherServices } from "../support/other-services.js";
import { useProject } from "../support/project.js";
import { recipes } from "./recipes.js";

let sandbox: SandboxServer;
const project = useProject(new URL("recipes/", import.meta.url));
beforeAll(async () => {
  sandbox = await startSandbox();
  for (const { file, code } of recipes.filter(({ file }) => !/^(?:app|lib)\//.test(file))) {
    await writeFile(join(project().folder, file), code);
  }
});
afterAll(() => sandbox?.close());

/** Deactivates a grant of a sandbox with a client that a recipe exports. */
async function deactivateWith(expression: string, env: Record<string, string>, owner = sandbox) {
  const grant = owner.addGrant();
  const program = `const client = ${expression}; await client.deactivateUserGrant(${JSON.stringify(grant)}); process.exit();`;
  await project().run("node", ["--input-type=module", "--eval", program], { env });
  expect(owner.grant(grant.grantId)?.state).toBe("inactive");
}

describe("the recipes", () => {
  it("are well typed", () => project().run("node", ["node_modules/typescript/bin/tsc"]));

  it("React: a guard signs in, and a hook knows who it is", async () => {
    await project().run("esbuild", [
      "page.tsx",
      "--bundle",
      "--format=esm",
      "--outfile=page.js",
      "--define:process.env.NODE_ENV='development'",
      "--define:import.meta.env=SETTINGS",
    ]);
    const script = await readFile(join(project().folder, "page.js"), "utf8");
    let settings = {};
    const origin = await serveScript(
      () => `const SETTINGS = ${JSON.stringify(settings)};${script}`,
    );
    const { clientId } = sandbox.addApp({
      redirectUris: [origin],
      postLogoutRedirectUris: [origin],
    });
    settings = { VITE_ZITADEL_URL: sandbox.baseUrl, VITE_ZITADEL_CLIENT_ID: clientId };
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(origin);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Hello" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  });

  it("Cloudflare Workers: requests share client and source", async () => {
    const grants = [sandbox.addGrant(), sandbox.addGrant()];
    const bindings = {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_KEY: JSON.stringify(sandbox.addKey()),
    };
    const order = JSON.stringify({ bindings, orders: grants });
    expect(JSON.parse(await project().run("node", ["run-worker.js", order]))).toEqual([
      "deactivated",
      "deactivated",
    ]);
  });

  it("NestJS: a provider revokes, and ends with the application", async () => {
    await project().run("esbuild", [
      "run-nest.ts",
      "--bundle",
      "--platform=node",
      "--packages=external",
      "--format=cjs",
      "--outfile=nest.cjs",
    ]);
    const env = {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      GRANT_ID: sandbox.addGrant().grantId,
    };
    expect(await project().run("node", ["nest.cjs"], { env })).toBe("true false\n");
  });

  it("Express: a route revokes, and errors become responses", async () => {
    const { port, close } = await listen(createServer());
    await close();
    const server = startProgram(project(), ["server.ts"], {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      PORT: String(port),
    });
    onTestFinished(async () => void (await server.kill("SIGKILL")));
    await server.said(/^ready$/);
    const url = `http://127.0.0.1:${port}/grants/${sandbox.addGrant().grantId}`;
    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
    const gone = await fetch(url, { method: "DELETE" });
    expect([gone.status, await gone.json()]).toEqual([
      404,
      expect.objectContaining({ id: "COMMAND-1My0t" }),
    ]);
  });

  it("Jest: the sandbox in place of a mock", async () => {
    const env = { NODE_OPTIONS: "--experimental-vm-modules" };
    const output = await project().run("jest", ["--json"], { env });
    expect(JSON.parse(output)).toMatchObject({ numPassedTests: 1, numFailedTests: 0 });
  });

  it("several tenants, each with its own token", async () => {
    const other = await startSandbox();
    onTestFinished(other.close);
    const tenantOf = (owner: SandboxServer) => ({
      url: owner.baseUrl,
      orgId: owner.orgId,
      key: JSON.stringify(owner.addKey()),
    });
    const env = { TENANTS: JSON.stringify({ a: tenantOf(sandbox), b: tenantOf(other) }) };
    const client = (name: string) => `(await import("./tenants.ts")).clientOf("${name}")`;
    await deactivateWith(client("a"), env);
    await deactivateWith(client("b"), env, other);
  });

  it("inside a cluster, by an address of plain HTTP", async () => {
    // The sandbox is another instance by each host name.
    const inside = await startSandbox({ hosts: ["example.zitadel.cloud"] });
    onTestFinished(inside.close);
    const env = {
      ZITADEL_ADDRESS: inside.baseUrl.replace("example.zitadel.cloud", "127.0.0.1"),
      ZITADEL_DOMAIN: "example.zitadel.cloud",
      ZITADEL_KEY: JSON.stringify(inside.addKey()),
    };
    await deactivateWith('(await import("./cluster.ts")).client', env, inside);
  });

  it("through SOCKS", async () => {
    const proxy = await startSocks();
    onTestFinished(proxy.close);
    const env = {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_KEY: JSON.stringify(sandbox.addKey()),
      SOCKS_HOST: "127.0.0.1",
      SOCKS_PORT: String(proxy.port),
    };
    await deactivateWith('(await import("./socks.ts")).client', env);
    expect(new Set(proxy.destinations)).toEqual(new Set([new URL(sandbox.baseUrl).host]));
    expect(proxy.destinations.length).toBeGreaterThan(1);
  });

  it("end memberships and sessions as well", async () => {
    const { baseUrl, token, ended, close } = await startOtherServices();
    onTestFinished(close);
    const env = { ZITADEL_URL: baseUrl, ZITADEL_TOKEN: token, USER_ID: "7" };
    expect(await project().run("node", ["leave.ts"], { env })).toBe(
      "by hand: IAM_OWNER of The instance\n3 memberships, 2 sessions\n",
    );
    expect(ended).toEqual(["member of the organization", "member of 12", "session a", "session b"]);
  });
});

/** A SOCKS5 proxy without authentication, for names. */
async function startSocks() {
  const destinations: string[] = [];
  const server = createServer((near) => {
    near.once("data", () => {
      near.write(Buffer.from([5, 0]));
      near.once("data", (request) => {
        const length = request[4] ?? 0;
        const host = request.subarray(5, 5 + length).toString();
        const port = request.readUInt16BE(5 + length);
        destinations.push(`${host}:${port}`);
        const far = connect(port, host, () => {
          near.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          near.pipe(far).pipe(near);
        });
        far.on("error", () => near.destroy());
      });
    });
  });
  const { port, close } = await listen(server);
  return { destinations, port, close };
}
