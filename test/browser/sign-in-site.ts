import { createServer } from "node:http";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { statePrefixOf } from "../../src/auth/sign-in/callback.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { pageOf } from "../support/bundle.js";
import { type Listening, listen } from "../support/listen.js";
import type { TestBrowser, TestContext, TestPage } from "../support/test-browser.js";
import type { Scenarios } from "./sign-in-page.js";

export const storages = ["memory", "sessionStorage", "localStorage"] as const;
export type Storage = (typeof storages)[number];

/** Where a user is before signing in. */
export const where = "/x/people?page=2#row-7";

/** As the sandbox tells of it. */
const tokenRequest = "POST /oauth/v2/token";

/**
 * A site whose pages sign in to a sandbox: a new browser profile for each test.
 *
 * @param watch has the token requests of a page noted; by default they are counted at the sandbox.
 */
export function startSignInSite<P extends TestPage>(
  launch: () => Promise<TestBrowser<P>>,
  watch?: (page: P, note: (grantType: string) => void) => void,
) {
  let browser: TestBrowser<P>;
  let site: Listening;
  let origin: string;
  let sandbox: SandboxServer;
  let clientId: string;
  let context: TestContext<P>;
  /** The token requests since the last sign-in: where pages are watched, the `grant_type` of each. */
  let grants: string[];
  /** Whether token responses wait until the page lets them through, and revocations succeed. */
  let holding: boolean;
  let revoking: boolean;
  /** Whether the host adds a slash to the path of a callback. */
  let addsSlash: boolean;
  let otherClientId: string;

  beforeAll(async () => {
    const html = await pageOf(new URL("sign-in-page.ts", import.meta.url));
    const server = createServer(({ url = "" }, response) => {
      if (addsSlash && /\/callback\?/.test(url)) {
        response.writeHead(301, { location: url.replace("/callback", "/callback/") }).end();
        return;
      }
      response.writeHead(200, { "content-type": "text/html" });
      const { baseUrl: issuer, orgId } = sandbox;
      const config = JSON.stringify({
        issuer,
        clientId,
        otherClientId,
        orgId,
        holding,
        revoking,
      });
      response.end(
        html.replace("<script", () => `<script>const config = ${config}</script><script`),
      );
    });
    site = await listen(server);
    origin = `http://localhost:${site.port}`;
    browser = await launch();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  beforeEach(async () => {
    grants = [];
    holding = false;
    revoking = true;
    addsSlash = false;
    sandbox = await startSandbox({
      onRequest: ({ method }) => {
        if (watch === undefined && method === tokenRequest) {
          grants.push(method);
        }
      },
    });
    const app = {
      redirectUris: storages.map((storage) => `${origin}/${storage}/callback`),
      postLogoutRedirectUris: storages.map((storage) => `${origin}/${storage}/bye`),
    };
    clientId = sandbox.addApp(app).clientId;
    otherClientId = sandbox.addApp(app).clientId;
    context = await browser.newContext();
    return async () => {
      await context.close();
      await sandbox.close();
    };
  });

  /** Calls a scenario within a page. */
  function inPage<N extends keyof Scenarios>(
    page: P,
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

  async function newPage(): Promise<P> {
    const page = await context.newPage();
    watch?.(page, (grantType) => grants.push(grantType));
    return page;
  }

  async function open(storage: Storage, path = where): Promise<P> {
    const page = await newPage();
    await page.goto(`${origin}/${storage}${path}`);
    return page;
  }

  /** Goes to the login page, and comes back with a press of this button. */
  async function comeBack(page: P, button = "Sign in", startOptions = {}): Promise<void> {
    await inPage(page, "startWith", startOptions).catch(() => {});
    await page.getByRole("button", { name: button }).click();
    await page.waitForURL(`${origin}/**`);
  }

  /** Signs in, and waits until the page has what came back. */
  async function openSignedIn(storage: Storage, path = where): Promise<P> {
    const page = await open(storage, path);
    await comeBack(page);
    const { first } = await inPage(page, "callback");
    expect(first).toMatchObject({ ok: true, value: { returnTo: `/${storage}${path}` } });
    grants.length = 0;
    return page;
  }

  async function tokenOf(page: P): Promise<string> {
    const outcome = await inPage(page, "token");
    return outcome.ok ? outcome.value : expect.fail(outcome.message);
  }

  /** Everything that is in the web storage of a page. */
  function stored(page: P): Promise<string> {
    return page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  }

  return {
    get origin() {
      return origin;
    },
    get sandbox() {
      return sandbox;
    },
    get grants() {
      return grants;
    },
    /** A state of the application that belongs to no sign-in. */
    get unknownState() {
      return `${statePrefixOf(`zitadel-user-grants:${sandbox.baseUrl}:${clientId}`)}x`;
    },
    /** Has the token responses of pages that are loaded from now on wait for `release`. */
    holdTokenResponses() {
      holding = true;
    },
    /** Has revocations fail in pages that are loaded from now on, until `revoke` is called. */
    failRevocations() {
      revoking = false;
    },
    addSlashes() {
      addsSlash = true;
    },
    /** Whether a refresh token still gives access tokens. */
    async isAlive(refreshToken: string): Promise<boolean> {
      const response = await fetch(`${sandbox.baseUrl}/oauth/v2/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "refresh_token",
          refresh_token: refreshToken,
          client_id: clientId,
        }),
      });
      return response.ok;
    },
    inPage,
    open,
    openSignedIn,
    comeBack,
    tokenOf,
    stored,

    /** The token that replaces one which a server has rejected. */
    async tokenAfterRejection(page: P): Promise<string> {
      const outcome = await inPage(page, "refuse", await tokenOf(page));
      return outcome.ok ? outcome.value : expect.fail(outcome.message);
    },

    /** Whether a page's web storage has a session, or a sign-in in progress. */
    async holds(page: P): Promise<boolean> {
      return /"(?:token|nonce)\\?"/.test(await stored(page));
    },

    /** The session that a page keeps in its storage, as JSON. */
    async session(page: P): Promise<string> {
      const storages: Record<string, string>[] = JSON.parse(await stored(page));
      const found = storages
        .flatMap((one) => Object.values(one))
        .find((text) => /"token"/.test(text));
      return found ?? expect.fail("there is no session");
    },

    /** Opens a tab with a copy of the session storage, as "duplicate tab" does. */
    async duplicate(page: P): Promise<P> {
      const [copy] = JSON.parse(await stored(page)) as [Record<string, string>];
      const second = await newPage();
      await second.addInitScript((copy) => {
        if (sessionStorage.length === 0) {
          Object.assign(sessionStorage, copy);
        }
      }, copy);
      await second.goto(await page.evaluate(() => location.href));
      return second;
    },

    /** Puts the session of another user in place of the one that all tabs share, as a sign-in there does. */
    async storeAnotherUser(page: P): Promise<void> {
      await page.evaluate((name) => {
        const claims = btoa(JSON.stringify({ sub: "another-user" }));
        const session = {
          ...JSON.parse(localStorage.getItem(name) ?? "{}"),
          subject: "another-user",
          token: "another-token",
          idToken: `e30.${claims}.`,
        };
        localStorage.setItem(name, JSON.stringify(session));
      }, `zitadel-user-grants:${sandbox.baseUrl}:${clientId}`);
    },

    async userinfoStatus(token: string): Promise<number> {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, { headers })).status;
    },
  };
}
