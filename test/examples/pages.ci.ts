import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { launchChromium } from "../support/chromium.js";
import { serveFolder } from "../support/http-server.js";
import { type Project, useProject } from "../support/project.js";
import { startProgram } from "./program.js";

let sandbox: SandboxServer;
let browser: Browser;
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), launchChromium()]);
});
afterAll(() => Promise.all([sandbox?.close(), browser?.close()]));

function example(name: string): { project: () => Project; keep: (png: Buffer) => Promise<void> } {
  const source = new URL(`../../examples/${name}/`, import.meta.url);
  return {
    project: useProject(source),
    // UPDATE_SCREENSHOTS=1 writes the picture that the example's README shows.
    keep: async (png) => {
      if (process.env.UPDATE_SCREENSHOTS === "1") {
        await writeFile(fileURLToPath(new URL("screenshot.png", source)), png);
      }
    },
  };
}

describe("Next.js", () => {
  const { project, keep } = example("nextjs");

  it("deactivates a grant by a route, for a manager who is signed in", async () => {
    await project().run("npm", ["run", "build"], { timeoutMs: 280_000 });
    const server = startProgram(
      project(),
      ["node_modules/next/dist/bin/next", "start", "--port", "0"],
      {
        ZITADEL_URL: sandbox.baseUrl,
        ZITADEL_TOKEN: sandbox.token,
        ZITADEL_ORG_ID: sandbox.orgId,
        MANAGER_PASSWORD: "open sesame",
      },
    );
    onTestFinished(async () => void (await server.kill("SIGKILL")));
    const [, port] = await server.said(/http:\/\/localhost:(\d+)/);
    const origin = `http://localhost:${port}`;
    for (const authorization of ["", "Basic", `Basic ${"é".repeat(28)}`, "Basic bWFuYWdlcg=="]) {
      const init = { method: "POST", headers: { authorization } };
      expect((await fetch(`${origin}/api/deactivate`, init)).status).toBe(401);
    }

    const context = await browser.newContext({
      httpCredentials: { username: "manager", password: "open sesame" },
      viewport: { width: 760, height: 340 },
    });
    const page = await context.newPage();
    await page.goto(origin);
    const grant = sandbox.addGrant();
    const submit = async (grantId: string) => {
      await page.getByLabel("User").fill(grant.userId);
      await page.getByLabel("Grant").fill(grantId);
      await page.getByRole("button", { name: "Deactivate" }).click();
    };
    await submit(grant.grantId);
    await page.getByRole("status").getByText(`Grant ${grant.grantId} is inactive now.`).waitFor();
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    await keep(await page.screenshot());
    await submit("4711");
    await page.getByText("There is no grant 4711 in this organization.").waitFor();

    const foreign = await fetch(`${origin}/api/deactivate`, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from("manager:open sesame").toString("base64")}`,
        "sec-fetch-site": "cross-site",
      },
      body: JSON.stringify(sandbox.addGrant()),
    });
    expect(foreign.status).toBe(403);
    await context.close();
  });
});

describe("The page with sign-in", () => {
  const { project } = example("browser-sign-in");

  // What it does is in browser-sign-in.test.ts.
  it("is checked and built in a project of its own", async () => {
    await project().run("npm", ["run", "check"]);
    await project().run("npm", ["run", "build"]);
    expect(await readFile(join(project().folder, "dist/index.html"), "utf8")).toMatch(/\.js"/);
  });
});

describe("React with Vite", () => {
  const { project, keep } = example("react-vite");

  it("lists grants to a manager who signs in, and revokes one", async () => {
    const folder = join(project().folder, "dist");
    const origin = await serveFolder(folder);
    const { clientId } = sandbox.addApp({
      redirectUris: [`${origin}/`],
      postLogoutRedirectUris: [`${origin}/`],
    });
    await project().run("npm", ["run", "check"]);
    await project().run("npm", ["run", "build"], {
      env: { VITE_ISSUER: sandbox.baseUrl, VITE_CLIENT_ID: clientId },
    });
    const portal = sandbox.addProject({ name: "Customer portal", roleKeys: ["viewer", "editor"] });
    const billing = sandbox.addProject({ name: "Billing", roleKeys: ["accountant"] });
    const people = (
      [
        ["Ada", "Lovelace", portal.projectId, ["editor"]],
        ["Grace", "Hopper", portal.projectId, ["viewer", "editor"]],
        ["Alan", "Turing", billing.projectId, ["accountant"]],
      ] as const
    ).map(([firstName, lastName, projectId, roleKeys]) => {
      const { userId } = sandbox.addUser({ firstName, lastName });
      const { grantId } = sandbox.addGrant({ userId, projectId, roleKeys: [...roleKeys] });
      return { name: `${firstName} ${lastName}`, grantId };
    });

    const context = await browser.newContext({ viewport: { width: 860, height: 360 } });
    const page = await context.newPage();
    await page.goto(origin);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${sandbox.baseUrl}/ui/login**`);
    await page.getByRole("button", { name: "Sign in" }).click();
    const row = (name: string) => page.getByRole("row").filter({ hasText: name });
    await row("Ada Lovelace").waitFor();
    await keep(await page.screenshot());
    const [, grace, alan] = people;
    await row(grace!.name).getByRole("button", { name: "Revoke" }).click();
    await row(grace!.name).waitFor({ state: "detached" });
    expect(sandbox.grant(grace!.grantId)).toBeUndefined();
    expect(sandbox.grant(alan!.grantId)?.state).toBe("active");

    // A call that fails gives the row back, and says why.
    await context.route("**/zitadel.management.v1.ManagementService/**", (route) => route.abort());
    await row(alan!.name).getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("alert").filter({ hasText: "Alan Turing still has access" }).waitFor();
    expect(await row(alan!.name).getByRole("button", { name: "Revoke" }).isEnabled()).toBe(true);
    await context.close();
  });
});
