import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { launchChromium } from "../support/chromium.js";
import { createSite } from "../support/http-server.js";
import { type Listening, listen } from "../support/listen.js";
import { copyExample } from "./copy-example.js";

let browser: Browser;
let context: BrowserContext;
let sandbox: SandboxServer;
let folder: string;
let site: Listening;
let origin: string;
let tokenRequests = 0;

beforeAll(async () => {
  [folder, sandbox, browser] = await Promise.all([
    mkdtemp(join(tmpdir(), "browser-sign-in-")),
    startSandbox(),
    launchChromium(),
  ]);
  site = await listen(createSite(folder));
  origin = `http://localhost:${site.port}`;
  const { clientId } = sandbox.addApp({
    redirectUris: [`${origin}/`],
    postLogoutRedirectUris: [`${origin}/`],
  });
  await build({
    root: await copyExample("browser-sign-in"),
    configFile: false,
    logLevel: "error",
    build: { outDir: folder, emptyOutDir: true },
    define: {
      "import.meta.env.VITE_ISSUER": JSON.stringify(sandbox.baseUrl),
      "import.meta.env.VITE_CLIENT_ID": JSON.stringify(clientId),
    },
  });
  context = await browser.newContext();
  context.on("request", (request) => {
    tokenRequests += request.url().endsWith("/oauth/v2/token") ? 1 : 0;
  });
});

afterAll(async () => {
  await browser?.close();
  await sandbox?.close();
  await site?.close();
  await rm(folder, { recursive: true });
});

async function deactivate(page: Page, grant: { userId: string; grantId: string }) {
  await page.getByLabel("User").fill(grant.userId);
  await page.getByLabel("Grant").fill(grant.grantId);
  await page.getByRole("button", { name: "Deactivate" }).click();
  await page.getByText(grant.grantId).waitFor();
  return page.getByRole("status").textContent();
}

test("a user signs in, deactivates grants in two tabs across the expiry of a token, and signs out", async () => {
  const page = await context.newPage();
  await page.goto(`${origin}/?from=mail`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${sandbox.baseUrl}/ui/login**`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${origin}/?from=mail`);

  const grant = sandbox.addGrant();
  expect(await deactivate(page, grant)).toBe(`Grant ${grant.grantId} is inactive now.`);
  expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  const missing = { userId: "1", grantId: "999999999999999999" };
  expect(await deactivate(page, missing)).toBe(
    "There is no grant 999999999999999999 in your organization.",
  );

  // The second tab is signed in already. Then the token of both ends.
  const second = await context.newPage();
  await second.goto(origin);
  expect(tokenRequests).toBe(1);
  sandbox.expireTokens();
  const grants = [sandbox.addGrant(), sandbox.addGrant()] as const;
  expect(await Promise.all([deactivate(page, grants[0]), deactivate(second, grants[1])])).toEqual(
    grants.map(({ grantId }) => `Grant ${grantId} is inactive now.`),
  );
  expect(tokenRequests).toBe(2);

  await second.getByRole("button", { name: "Sign out" }).click();
  await second.waitForURL(`${origin}/`);
  await second.getByRole("button", { name: "Sign in" }).waitFor();
  const late = sandbox.addGrant();
  await page.getByLabel("Grant").fill(late.grantId);
  await page.getByRole("button", { name: "Deactivate" }).click();
  await page.getByText("no user is signed in: call start() to sign in").waitFor();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  expect(sandbox.grant(late.grantId)?.state).toBe("active");
}, 40_000);
