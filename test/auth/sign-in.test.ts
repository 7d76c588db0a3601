import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type SignInOptions, signIn } from "../../src/auth/index.js";

const options: SignInOptions = {
  issuer: "https://issuer.example",
  clientId: "portal",
  redirectUri: "https://portal.example/",
};

test.each<[string, Record<string, unknown>, string]>([
  [
    "no clientId",
    { clientId: undefined },
    "clientId must be a string that is not empty; got nothing",
  ],
  [
    "a relative redirectUri",
    { redirectUri: "/callback" },
    "redirectUri must be an absolute https URL",
  ],
  [
    "a redirectUri without TLS",
    { redirectUri: "http://portal.example/" },
    "redirectUri must be an absolute https URL",
  ],
  [
    "a postLogoutRedirectUri that is not a URL",
    { postLogoutRedirectUri: "" },
    "postLogoutRedirectUri must be an absolute https URL",
  ],
  [
    "another storage",
    { storage: "cookie" },
    'storage must be "memory" or "sessionStorage" or "localStorage"',
  ],
  ["a client secret", { clientSecret: "s3cret" }, 'unknown option "clientSecret"'],
])("%s is rejected at once, without showing what was given", (_, changes, message) => {
  const attempt = () => signIn({ ...options, ...changes } as SignInOptions);
  expect(attempt).toThrow(TypeError);
  expect(attempt).toThrow(message);
  expect(attempt).not.toThrow(/s3cret/);
});

test.each(["memory", "sessionStorage", "localStorage"] as const)(
  "when a page is rendered on a server, no user is signed in, and nothing fails: %s",
  async (storage) => {
    const auth = signIn({ ...options, storage });
    expect(auth.signedIn).toBe(false);
    expect(await auth.handleCallback()).toBeUndefined();
    await expect(auth.token()).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(inspect(auth, { depth: 10, showHidden: true })).not.toContain("issuer.example");
  },
);
