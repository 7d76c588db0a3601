import { Code } from "@connectrpc/connect";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { isTokenError, signIn } from "../../src/auth/index.js";
import { openFakePage } from "../security/fake-page.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

it.each(["QuotaExceededError", "SecurityError"])(
  "a sign-in that cannot be kept is not started, and the error says why: %s",
  async (name) => {
    const page = openFakePage();
    const state = (await page.start()).searchParams.get("state");
    const throwing = () => {
      throw new DOMException("no", name);
    };
    vi.stubGlobal(
      "sessionStorage",
      new Proxy({}, { get: throwing, ownKeys: throwing, deleteProperty: throwing }),
    );
    const error = await page.auth.start().catch((reason) => reason);
    expect(isTokenError(error)).toBe(true);
    expect(error).toMatchObject({
      code: Code.FailedPrecondition,
      rawMessage: expect.stringContaining("sessionStorage is full, or the browser's settings"),
      cause: { name },
    });
    // A response that comes all the same is taken from the address, and belongs to no sign-in.
    const response = `${page.origin}/callback?code=c0de-of-a-test&state=${state}`;
    const outcome = await page.auth.handleCallback(response).catch((reason) => reason);
    expect(outcome).toMatchObject({ code: Code.Unauthenticated });
    expect(String(outcome)).toContain("belongs to no sign-in");
  },
);

it("a page whose <base> is elsewhere returns to its own address", async () => {
  const page = openFakePage({ base: "https://cdn.example/" });
  await page.signIn({}, "/orders?x#y");
  expect(page.href()).toBe(`${page.origin}/orders?x#y`);
});

it.each([
  ["its address", (href: string) => href],
  ["a router's part of it", (href: string) => href.slice(new URL(href).origin.length)],
])("the code is taken from the address of a page that passes %s", async (_, passed) => {
  const page = openFakePage();
  const result = await page.signIn({}, "/orders", passed);
  expect(result).toMatchObject({ returnTo: "/orders" });
  expect(page.href()).toBe(`${page.origin}/orders`);
  const other = openFakePage();
  await expect(other.signIn({ nonce: "another" }, "/orders", passed)).rejects.toThrow("nonce");
  expect(other.href()).not.toMatch(/code|state/);
});

it("a sign-in says what is missing when the server has no login page", async () => {
  const page = openFakePage();
  page.discover({});
  await expect(page.auth.start()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage: expect.stringContaining("names no authorization_endpoint"),
  });
});

it.each(["request", "request_uri", "response_mode", "state", "nonce", "code_challenge"])(
  "a sign-in with the parameter %s is rejected: it would change what the sign-in is made of",
  async (name) => {
    const { auth } = openFakePage();
    await expect(auth.start({ parameters: { [name]: "x" } })).rejects.toThrow(
      /^start: parameters must be an object of strings/,
    );
  },
);

it("a response is found in the path and query that a router has", async () => {
  const page = openFakePage();
  const own = { code: Code.Unauthenticated };
  const state = (await page.start()).searchParams.get("state");
  const path = `/callback?code=c0de-of-a-test&state=${state}-of-a-router`;
  await expect(page.auth.handleCallback(path)).rejects.toMatchObject(own);
  await expect(page.auth.handleCallback("/other?code=1&state=2")).resolves.toBeUndefined();
  await expect(page.auth.handleCallback("https://[?code=c0de-of-a-test")).resolves.toBeUndefined();
});

const day = 86_400;
const now = Math.floor(Date.now() / 1000);

it.each<[string, object, Record<string, string>, RegExp | undefined]>([
  ["expired an hour ago", { iat: now - 7200, exp: now - 3600, auth_time: now }, {}, /"exp"/],
  ["is of a login a day ago", { auth_time: now - day }, { max_age: "60" }, /authentication/],
  ["does not say when the login was", {}, { max_age: "60" }, /"auth_time"/],
  ["is of a login just now", { auth_time: now }, { max_age: "60" }, undefined],
  [
    "is of a server whose clock is a year behind the page's",
    { iat: now - 365 * day, auth_time: now - 365 * day, exp: now - 364 * day },
    { max_age: "60" },
    undefined,
  ],
])("the times of an ID token are checked: one that %s", async (_, claims, parameters, message) => {
  const outcome = openFakePage().signIn(claims, "/", undefined, parameters);
  await (message === undefined
    ? expect(outcome).resolves.toMatchObject({ userId: "user-1" })
    : expect(outcome).rejects.toThrow(message));
});

it("a redirect URI is of one issuer, unless responses name theirs", async () => {
  const page = openFakePage();
  const options = { clientId: "portal", redirectUri: page.redirectUri, fetch: page.fetch };
  const other = signIn({ ...options, issuer: "https://other.example" });
  onTestFinished(() => other.close());
  await expect(page.start()).rejects.toThrow(/redirectUri must be another/);
  page.discover({
    authorization_endpoint: `${page.issuer}/authorize`,
    authorization_response_iss_parameter_supported: true,
  });
  const named = openFakePage({ shares: page });
  named.discover({
    authorization_endpoint: `${page.issuer}/authorize`,
    authorization_response_iss_parameter_supported: true,
  });
  await expect(named.start()).resolves.toBeInstanceOf(URL);
});
