import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { transform } from "esbuild";
import type { Browser, BrowserContext, Page, Route } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { bundlePage } from "../support/bundle.js";
import { launchChromium } from "../support/chromium.js";
import type { Scenarios } from "./sign-in-page.js";

let browser: Browser;
let site: Server;
let origin: string;
let sandbox: SandboxServer;
let clientId: string;
let context: BrowserContext;
/** The `grant_type` of each token request that a page of the context sent. */
let grants: string[];

const storages = ["memory", "sessionStorage", "localStorage"] as const;
type Storage = (typeof storages)[number];

beforeAll(async () => {
  const source = await readFile(fileURLToPath(new URL("sign-in-page.ts", import.meta.url)), "utf8");
  const { code } = await transform(source, { loader: "ts" });
  const { text } = await bundlePage(code, { splitting: false });
  site = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    const config = JSON.stringify({ issuer: sandbox.baseUrl, clientId, orgId: sandbox.orgId });
    response.end(
      `<!doctype html><script>const config = ${config}</script><script type="module">${text.replaceAll("</script", "<\\/script")}</script>`,
    );
  });
  await new Promise<void>((resolve) => site.listen(0, "localhost", resolve));
  origin = `http://localhost:${(site.address() as AddressInfo).port}`;
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  site?.close();
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

const where = "/x/people?page=2#row-7";

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

describe.each(storages)("with tokens in %s", (storage) => {
  it("somebody signs in, is where they were, and calls the API", async () => {
    const page = await openSignedIn(storage);
    expect(page.url()).toBe(`${origin}/${storage}${where}`);
    expect(await inPage(page, "signedIn")).toBe(true);
    const grant = sandbox.addGrant();
    expect(await inPage(page, "deactivate", grant)).toEqual({ ok: true, value: "deactivated" });
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });

  it("the code is in no address that the browser keeps", async () => {
    const page = await openSignedIn(storage);
    const session = await context.newCDPSession(page);
    const { entries } = await session.send("Page.getNavigationHistory");
    expect(entries.map(({ url }) => url).join("\n")).not.toMatch(/[?&](code|state)=/);
  });

  it("an expired token is replaced in the middle of calls, by one token request", async () => {
    const page = await openSignedIn(storage);
    const before = await tokenOf(page);
    for (let round = 1; round <= 3; round++) {
      sandbox.expireTokens();
      const calls = Array.from({ length: 10 }, () => sandbox.addGrant());
      const outcomes = await inPage(page, "deactivateAll", calls);
      expect(outcomes.every(({ ok }) => ok)).toBe(true);
      expect(grants).toEqual(Array(round).fill("refresh_token"));
    }
    expect(await tokenOf(page)).not.toBe(before);
  });

  it("signing out forgets and revokes the tokens, and ends at the page for it", async () => {
    const page = await openSignedIn(storage);
    const token = await tokenOf(page);
    await inPage(page, "signOut").catch(() => {});
    await page.waitForURL(`${origin}/${storage}/bye`);
    expect(await inPage(page, "signedIn")).toBe(false);
    expect(await stored(page)).toBe("[{},{}]");
    expect(await inPage(page, "token")).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
      name: "ConnectError",
      message: "[unauthenticated] nobody is signed in: call start() to sign in",
    });
    const userinfo = await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(userinfo.status).toBe(401);
  });

  it("a reload keeps the session, unless it is in memory", async () => {
    const page = await openSignedIn(storage);
    await page.reload();
    expect(await inPage(page, "signedIn")).toBe(storage !== "memory");
  });
});

describe("signing in", () => {
  it("handling the callback twice does it once", async () => {
    const page = await open("memory");
    await inPage(page, "start").catch(() => {});
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${origin}/memory/**`);
    const { first, second } = await inPage(page, "callback");
    expect(second).toEqual(first);
    expect(grants).toEqual(["authorization_code"]);
  });

  it("somebody who cancels is where they were, and the error says so", async () => {
    const page = await open("memory");
    await inPage(page, "start").catch(() => {});
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.waitForURL(`${origin}/memory/**`);
    expect((await inPage(page, "callback")).first).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
      message: `[unauthenticated] sign-in at ${sandbox.baseUrl}/oauth/v2/authorize was refused: access_denied (The authorization request was denied.). Usual cause: the person chose not to sign in`,
    });
    expect(page.url()).toBe(`${origin}/memory${where}`);
    expect(grants).toEqual([]);
  });

  it("an answer that this tab did not ask for is refused, and nothing is sent", async () => {
    const page = await open("memory", "/callback?code=stolen&state=made-up&keep=1");
    const { first } = await inPage(page, "callback");
    expect(first).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(first)).toContain("belongs to no sign-in that was started in this tab");
    expect(JSON.stringify(first)).not.toContain("stolen");
    expect(page.url()).toBe(`${origin}/memory/callback?keep=1`);
    expect(grants).toEqual([]);
  });

  it("the answer of another issuer is refused (RFC 9207), and the code goes nowhere", async () => {
    const page = await open("memory");
    await inPage(page, "start").catch(() => {});
    await page.waitForURL("**/ui/login**");
    const answer = `${origin}/memory/callback?code=c0de&iss=https%3A%2F%2Fevil.example&state=`;
    await page.goto(`${origin}/memory/`);
    const state = /:state:([\w-]+)/.exec(await stored(page))?.[1] ?? "";
    const outcome = await inPage(page, "callbackWith", answer + state);
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain('unexpected \\"iss\\" (issuer) response parameter');
    expect(JSON.stringify(outcome)).not.toContain("c0de");
    expect(grants).toEqual([]);
    // The state counts once, whatever came of it.
    expect(await stored(page)).toBe("[{},{}]");
  });

  it.each<[string, (answer: Record<string, unknown>, other: string) => unknown, RegExp]>([
    ["another sign-in", (answer, other) => ({ ...answer, id_token: other }), /"nonce" claim value/],
    ["nobody", ({ id_token: _, ...answer }) => answer, /"id_token" property/],
  ])("an id token of %s is refused, and shows in no error", async (_, change, message) => {
    const other = await idTokenOfAnotherSignIn();
    const page = await open("memory");
    await page.route(`${sandbox.baseUrl}/oauth/v2/token`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: change(await response.json(), other) });
    });
    await inPage(page, "start").catch(() => {});
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${origin}/memory/**`);
    const { first } = await inPage(page, "callback");
    expect(first).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(first)).toMatch(new RegExp(message.source.replaceAll('"', '\\\\"')));
    expect(JSON.stringify(first)).not.toContain(other);
    expect(await inPage(page, "signedIn")).toBe(false);
  });

  async function idTokenOfAnotherSignIn(): Promise<string> {
    const page = await openSignedIn("localStorage");
    const [, local] = JSON.parse(await stored(page));
    await page.close();
    const [session] = Object.values(local) as string[];
    return JSON.parse(session ?? "").idToken;
  }

  it("without offline_access a session ends with its token, and says so", async () => {
    const page = await openSignedIn("localStorage", "/x?short");
    expect(await inPage(page, "deactivate", sandbox.addGrant())).toMatchObject({ ok: true });
    sandbox.expireTokens();
    expect(await inPage(page, "deactivate", sandbox.addGrant())).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
      message: expect.stringContaining('the session has ended: sign in again (with the scope "off'),
    });
    expect(await inPage(page, "signedIn")).toBe(false);
    expect(grants).toEqual([]);
  });

  it.each(["//evil.example/x", "/.//evil.example/x"])(
    "a return address of %s stays on the origin, and the code leaves the address",
    async (path) => {
      const page = await open("memory");
      await inPage(page, "start", origin + path).catch(() => {});
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.waitForURL(`${origin}/**`);
      const { first } = await inPage(page, "callback");
      expect(first).toMatchObject({ ok: true, value: { returnTo: "/evil.example/x" } });
      expect(page.url()).toBe(`${origin}/evil.example/x`);
    },
  );

  it("nobody is sent to another origin", async () => {
    const page = await open("memory");
    expect(await inPage(page, "start", "https://evil.example/")).toMatchObject({
      ok: false,
      name: "TypeError",
      message: `[unknown] returnTo must be on the origin of the page, ${origin}; got one on https://evil.example`,
    });
  });
});

describe("the refresh token", () => {
  it("two tabs that share a session refresh once, and both go on", async () => {
    const first = await openSignedIn("localStorage");
    const second = await open("localStorage");
    for (let round = 1; round <= 5; round++) {
      sandbox.expireTokens();
      const calls = [first, second].flatMap((page) =>
        Array.from({ length: 3 }, () => inPage(page, "deactivate", sandbox.addGrant())),
      );
      expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true);
      expect(await tokenOf(first)).toBe(await tokenOf(second));
      expect(grants).toHaveLength(round);
    }
  });

  it("a duplicated tab has a copy of the session: both refresh one at a time and hand on the result", async () => {
    const first = await openSignedIn("sessionStorage");
    const second = await duplicate(first);
    expect(await tokenOf(second)).toBe(await tokenOf(first));
    for (let round = 1; round <= 5; round++) {
      sandbox.expireTokens();
      const calls = [first, second].flatMap((page) =>
        Array.from({ length: 3 }, () => inPage(page, "deactivate", sandbox.addGrant())),
      );
      expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true);
      expect(await tokenOf(first)).toBe(await tokenOf(second));
      expect(grants).toHaveLength(round);
    }
  });

  it("a duplicated tab that was not told of a refresh asks for the result", async () => {
    const first = await openSignedIn("sessionStorage");
    const session = await stored(first);
    sandbox.expireTokens();
    expect(await inPage(first, "deactivate", sandbox.addGrant())).toMatchObject({ ok: true });
    // The copy is from before the refresh: its refresh token is dead.
    const second = await duplicate(first, session);
    expect(await inPage(second, "deactivate", sandbox.addGrant())).toMatchObject({ ok: true });
    expect(await tokenOf(second)).toBe(await tokenOf(first));
  });

  it("signing out in one tab signs out in its duplicate", async () => {
    const first = await openSignedIn("sessionStorage");
    const second = await duplicate(first);
    await inPage(first, "signOut").catch(() => {});
    await first.waitForURL(`${origin}/sessionStorage/bye`);
    await expect.poll(() => inPage(second, "signedIn")).toBe(false);
  });

  it("a caller who leaves does not lose the answer", async () => {
    const page = await openSignedIn("memory");
    const token = await tokenOf(page);
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route(`${sandbox.baseUrl}/oauth/v2/token`, async (route) => {
      const response = await route.fetch();
      await page.evaluate(() => performance.mark("answered"));
      await answered;
      await route.fulfill({ response });
    });
    expect(await inPage(page, "leave", token)).toMatchObject({ ok: false, code: Code.Canceled });
    answer();
    expect(await tokenOf(page)).not.toBe(token);
    expect(grants).toEqual(["refresh_token"]);
  });

  it("a lost answer ends the session, and says so", async () => {
    const page = await openSignedIn("localStorage");
    const token = await tokenOf(page);
    const lose = async (route: Route) => {
      await route.fetch();
      await route.abort("connectionreset");
    };
    await page.route(`${sandbox.baseUrl}/oauth/v2/token`, lose, { times: 1 });
    const outcome = await inPage(page, "refuse", token);
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain(
      "invalid_request (Errors.OIDCSession.RefreshTokenInvalid). Usual causes: the session has ended, or the answer to an earlier refresh was lost: sign in again",
    );
    expect(await inPage(page, "signedIn")).toBe(false);
  });

  it("a request that did not arrive is made again", async () => {
    const page = await openSignedIn("localStorage");
    const token = await tokenOf(page);
    await page.route(`${sandbox.baseUrl}/oauth/v2/token`, (route) => route.abort(), { times: 2 });
    expect(await inPage(page, "refuse", token)).toMatchObject({ ok: true });
    expect(grants).toHaveLength(3);
  });

  /** Opens a tab with a copy of the session storage, as "duplicate tab" does. */
  async function duplicate(page: Page, storage?: string): Promise<Page> {
    const [copy] = JSON.parse(storage ?? (await stored(page))) as [Record<string, string>];
    const second = await context.newPage();
    await second.addInitScript((copy) => {
      if (sessionStorage.length === 0) {
        Object.assign(sessionStorage, copy);
      }
    }, copy);
    await second.goto(page.url());
    return second;
  }
});
