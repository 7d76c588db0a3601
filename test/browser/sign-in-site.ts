import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { bundlePage } from "../support/bundle.js";
import { launchChromium } from "../support/chromium.js";
import type { Scenarios } from "./sign-in-page.js";

export const storages = ["memory", "sessionStorage", "localStorage"] as const;
export type Storage = (typeof storages)[number];

/** Where a user is before signing in. */
export const where = "/x/people?page=2#row-7";

/** A site whose pages sign in to a sandbox, in Chromium: a new browser profile for each test. */
export function startSignInSite() {
  let browser: Browser;
  let server: Server;
  let origin: string;
  let sandbox: SandboxServer;
  let clientId: string;
  let context: BrowserContext;
  /** The `grant_type` of each token request that a page of the context sent. */
  let grants: string[];

  beforeAll(async () => {
    const source = await readFile(
      fileURLToPath(new URL("sign-in-page.ts", import.meta.url)),
      "utf8",
    );
    const { code } = await transform(source, { loader: "ts" });
    const { text } = await bundlePage(code, { splitting: false });
    server = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      const config = JSON.stringify({ issuer: sandbox.baseUrl, clientId, orgId: sandbox.orgId });
      response.end(
        `<!doctype html><script>const config = ${config}</script><script type="module">${text.replaceAll("</script", "<\\/script")}</script>`,
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  beforeEach(async () => {
    sandbox = await startSandbox();
    clientId = sandbox.addApp({
      redirectUris: storages.map((storage) => `${origin}/${storage}/callback`),
      postLogoutRedirectUris: storages.map((storage) => `${origin}/${storage}/bye`),
    }).clientId;
    context = await browser.newContext();
    grants = [];
    context.on("request", (request) => {
      if (request.method() === "POST" && request.url() === `${sandbox.baseUrl}/oauth/v2/token`) {
        grants.push(String(new URLSearchParams(request.postData() ?? "").get("grant_type")));
      }
    });
    return async () => {
      await context.close();
      await sandbox.close();
    };
  });

  /** Calls a scenario within a page. */
  function inPage<N extends keyof Scenarios>(
    page: Page,
    name: N,
    ...args: Parameters<Scenarios[N]>
  ): Promise<Awaited<ReturnType<Scenarios[N]>>> {
    return page.evaluate(
      ([name, args]) =>
        // biome-ignore lint/suspicious/noExplicitAny: what crosses into the page has no types there.
        (globalThis as any).scenarios[name as string](...(args as unknown[])),
      [name, args] as const,
    );
  }

  async function open(storage: Storage, path = where): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${origin}/${storage}${path}`);
    return page;
  }

  /** Signs in, and waits until the page has what came back. */
  async function openSignedIn(storage: Storage, path = where): Promise<Page> {
    const page = await open(storage, path);
    await inPage(page, "start").catch(() => {});
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${origin}/${storage}/**`);
    const { first } = await inPage(page, "callback");
    expect(first).toMatchObject({ ok: true, value: { returnTo: `/${storage}${path}` } });
    grants.length = 0;
    return page;
  }

  async function tokenOf(page: Page): Promise<string> {
    const outcome = await inPage(page, "token");
    return outcome.ok ? outcome.value : expect.fail(outcome.message);
  }

  /** Everything that is in the web storage of a page. */
  function stored(page: Page): Promise<string> {
    return page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  }

  return {
    get origin() {
      return origin;
    },
    get sandbox() {
      return sandbox;
    },
    get context() {
      return context;
    },
    get grants() {
      return grants;
    },
    inPage,
    open,
    openSignedIn,
    tokenOf,
    stored,

    /** The token that replaces one which a server has rejected. */
    async tokenAfterRejection(page: Page): Promise<string> {
      const outcome = await inPage(page, "refuse", await tokenOf(page));
      return outcome.ok ? outcome.value : expect.fail(outcome.message);
    },

    /** The session that a page keeps in its storage, as JSON. */
    async session(page: Page): Promise<string> {
      const storages: Record<string, string>[] = JSON.parse(await stored(page));
      const found = storages
        .flatMap((one) => Object.values(one))
        .find((text) => /"token"/.test(text));
      return found ?? expect.fail("there is no session");
    },

    /** Opens a tab with a copy of the session storage, as "duplicate tab" does. */
    async duplicate(page: Page, storage?: string): Promise<Page> {
      const [copy] = JSON.parse(storage ?? (await stored(page))) as [Record<string, string>];
      const second = await context.newPage();
      await second.addInitScript((copy) => {
        if (sessionStorage.length === 0) {
          Object.assign(sessionStorage, copy);
        }
      }, copy);
      await second.goto(page.url());
      return second;
    },

    /** Puts the session of another user in place of the one that all tabs share, as a sign-in there does. */
    async storeAnotherUser(page: Page): Promise<void> {
      await page.evaluate((name) => {
        const claims = btoa(JSON.stringify({ sub: "another-user" }));
        const session = {
          ...JSON.parse(localStorage.getItem(name) ?? "{}"),
          id: "another-session",
          generation: 0,
          subject: "another-user",
          token: "another-token",
          idToken: `e30.${claims}.`,
        };
        localStorage.setItem(name, JSON.stringify(session));
        new BroadcastChannel(name).postMessage({ kind: "changed", id: session.id, generation: 0 });
      }, `zitadel-user-grants:${sandbox.baseUrl}:${clientId}`);
    },

    async userinfoStatus(token: string): Promise<number> {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, { headers })).status;
    },
  };
}
