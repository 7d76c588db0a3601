import { Code } from "@connectrpc/connect";
import type { Page, Route } from "playwright-core";
import { describe, expect, it } from "vitest";
import { launchChromium } from "../support/chromium.js";
import { startSignInSite, storages, where } from "./sign-in-site.js";

const site = startSignInSite<Page>(launchChromium, (page, note) =>
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url() === `${site.sandbox.baseUrl}/oauth/v2/token`) {
      note(String(new URLSearchParams(request.postData() ?? "").get("grant_type")));
    }
  }),
);
const { inPage, open, openSignedIn, stored, tokenOf } = site;

describe.each(storages)("with tokens in %s", (storage) => {
  it("a user signs in, returns to the same address, calls the API, and is still signed in after a reload unless the storage is memory", async () => {
    const page = await openSignedIn(storage);
    expect(page.url()).toBe(`${site.origin}/${storage}${where}`);
    expect(await inPage(page, "signedIn")).toBe(true);
    const grant = site.sandbox.addGrant();
    expect(await inPage(page, "deactivate", grant)).toEqual({ ok: true, value: "deactivated" });
    expect(site.sandbox.grant(grant.grantId)?.state).toBe("inactive");
    const session = await page.context().newCDPSession(page);
    const { entries } = await session.send("Page.getNavigationHistory");
    // The code is in no address that the browser keeps.
    expect(entries.map(({ url }) => url).join("\n")).not.toMatch(/[?&](code|state)=/);
    await page.reload();
    expect(await inPage(page, "signedIn")).toBe(storage !== "memory");
  });
});

describe("signing in", () => {
  it("the response of another issuer is rejected (RFC 9207), and the code is sent nowhere", async () => {
    const page = await open("memory");
    await inPage(page, "start").catch(() => {});
    await page.waitForURL("**/ui/login**");
    const callback = `${site.origin}/memory/callback?code=c0de&iss=https%3A%2F%2Fevil.example&state=`;
    await page.goto(`${site.origin}/memory/`);
    const state = /:state:([\w-]+)/.exec(await stored(page))?.[1] ?? "";
    const outcome = await inPage(page, "callbackWith", callback + state);
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain('unexpected \\"iss\\" (issuer) response parameter');
    expect(JSON.stringify(outcome)).not.toContain("c0de");
    expect(site.grants).toEqual([]);
    // The state counts once, whatever came of it.
    expect(await site.holds(page)).toBe(false);
  });

  it.each<[string, (response: Record<string, unknown>, other: string) => unknown, RegExp]>([
    [
      "another sign-in",
      (response, other) => ({ ...response, id_token: other }),
      /"nonce" claim value/,
    ],
    ["nobody", ({ id_token: _, ...response }) => response, /"id_token" property/],
  ])("an ID token of %s is rejected, and appears in no error", async (_, change, message) => {
    const other = await idTokenOfAnotherSignIn();
    const page = await open("memory");
    await page.route(`${site.sandbox.baseUrl}/oauth/v2/token`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: change(await response.json(), other) });
    });
    await inPage(page, "start").catch(() => {});
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${site.origin}/memory/**`);
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

  it("without offline_access a session ends with its token, and this is reported", async () => {
    const page = await openSignedIn("localStorage", "/x?short");
    expect(await inPage(page, "deactivate", site.sandbox.addGrant())).toMatchObject({ ok: true });
    site.sandbox.expireTokens();
    expect(await inPage(page, "deactivate", site.sandbox.addGrant())).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
      message: expect.stringContaining('the session has ended: sign in again (with the scope "off'),
    });
    expect(await inPage(page, "signedIn")).toBe(false);
    expect(site.grants).toEqual([]);
  });

  it("the page's own parameters named code and state are kept", async () => {
    const own = "/callback?code=SUMMER&state=CA";
    const page = await open("memory", own);
    const { first } = await inPage(page, "callback");
    expect(first).toEqual({ ok: true });
    expect(page.url()).toBe(`${site.origin}/memory${own}`);
    expect(site.grants).toEqual([]);
    const other = await openSignedIn("memory", "/x/orders?state=open&code=7#row");
    expect(other.url()).toBe(`${site.origin}/memory/x/orders?state=open&code=7#row`);
  });

  it("a sign-in has scopes and parameters of its own, and the error of the server is typed", async () => {
    const page = await open("memory");
    const request = page.waitForRequest(/\/oauth\/v2\/authorize/);
    await inPage(page, "startWith", {
      scopes: ["urn:zitadel:iam:org:id:4711"],
      parameters: { prompt: "login", login_hint: "ada@example.com" },
    }).catch(() => {});
    const { searchParams } = new URL((await request).url());
    await page.waitForURL("**/ui/login**");
    expect(searchParams.get("scope")?.split(" ")).toEqual([
      "openid",
      "urn:zitadel:iam:org:project:id:zitadel:aud",
      "offline_access",
      "urn:zitadel:iam:org:id:4711",
    ]);
    expect(searchParams.get("prompt")).toBe("login");
    expect(searchParams.get("login_hint")).toBe("ada@example.com");
    const state = searchParams.get("state");
    await page.goto(`${site.origin}/memory/callback?error=interaction_required&state=${state}`);
    expect((await inPage(page, "callback")).first).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
      oauthError: "interaction_required",
    });
  });
});

it("signing out deletes and revokes the tokens, and leads to the page for it", async () => {
  const page = await openSignedIn("sessionStorage");
  const token = await tokenOf(page);
  await inPage(page, "signOut").catch(() => {});
  await page.waitForURL(`${site.origin}/sessionStorage/bye`);
  expect(await inPage(page, "signedIn")).toBe(false);
  expect(await site.holds(page)).toBe(false);
  expect(await inPage(page, "token")).toMatchObject({
    ok: false,
    code: Code.Unauthenticated,
    name: "ConnectError",
    message: "[unauthenticated] no user is signed in: call start() to sign in",
  });
  const userinfo = await fetch(`${site.sandbox.baseUrl}/oidc/v1/userinfo`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(userinfo.status).toBe(401);
});

describe("the refresh token", () => {
  it("an expired token is replaced in the middle of calls, by one token request", async () => {
    const page = await openSignedIn("memory");
    const before = await tokenOf(page);
    for (let round = 1; round <= 2; round++) {
      site.sandbox.expireTokens();
      const calls = Array.from({ length: 10 }, () => site.sandbox.addGrant());
      const outcomes = await inPage(page, "deactivateAll", calls);
      expect(outcomes.every(({ ok }) => ok)).toBe(true);
      expect(site.grants).toEqual(Array(round).fill("refresh_token"));
    }
    expect(await tokenOf(page)).not.toBe(before);
  });

  it("a caller that leaves does not lose the response", async () => {
    const page = await openSignedIn("memory");
    const token = await tokenOf(page);
    let respond = () => {};
    const responded = new Promise<void>((resolve) => {
      respond = resolve;
    });
    await page.route(`${site.sandbox.baseUrl}/oauth/v2/token`, async (route) => {
      const response = await route.fetch();
      await page.evaluate(() => performance.mark("responded"));
      await responded;
      await route.fulfill({ response });
    });
    expect(await inPage(page, "leave", token)).toMatchObject({ ok: false, code: Code.Canceled });
    respond();
    expect(await tokenOf(page)).not.toBe(token);
    expect(site.grants).toEqual(["refresh_token"]);
  });

  it("a lost response ends the session, and this is reported", async () => {
    const page = await openSignedIn("localStorage");
    const token = await tokenOf(page);
    const lose = async (route: Route) => {
      await route.fetch();
      await route.abort("connectionreset");
    };
    await page.route(`${site.sandbox.baseUrl}/oauth/v2/token`, lose, { times: 1 });
    const outcome = await inPage(page, "refuse", token);
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain(
      "invalid_request (Errors.OIDCSession.RefreshTokenInvalid). Usual causes: the session has ended, or the response to an earlier refresh was lost: sign in again",
    );
    expect(await inPage(page, "signedIn")).toBe(false);
  });

  it("a refresh during which another tab signs out leaves no token behind", async () => {
    const page = await openSignedIn("localStorage");
    const token = await tokenOf(page);
    const other = await open("localStorage");
    let respond = () => {};
    const responded = new Promise<void>((resolve) => {
      respond = resolve;
    });
    const refreshed = Promise.withResolvers<string>();
    await page.route(`${site.sandbox.baseUrl}/oauth/v2/token`, async (route) => {
      const response = await route.fetch();
      refreshed.resolve((await response.json()).refresh_token);
      await responded;
      await route.fulfill({ response });
    });
    const outcome = inPage(page, "refuse", token);
    const refreshToken = await refreshed.promise;
    await inPage(other, "signOut").catch(() => {});
    await other.waitForURL(`${site.origin}/localStorage/bye`);
    respond();
    expect(await outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    await expect.poll(() => site.isAlive(refreshToken)).toBe(false);
    expect(await site.holds(page)).toBe(false);
  });

  it("a request that did not arrive is retried", async () => {
    const page = await openSignedIn("localStorage");
    const token = await tokenOf(page);
    await page.route(`${site.sandbox.baseUrl}/oauth/v2/token`, (route) => route.abort(), {
      times: 2,
    });
    expect(await inPage(page, "refuse", token)).toMatchObject({ ok: true });
    expect(site.grants).toHaveLength(3);
  });
});
