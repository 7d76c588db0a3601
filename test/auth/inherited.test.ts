import { describe, expect, it } from "vitest";
import { clientCredentials, serviceUser } from "../../src/auth/index.js";
import { openFakePage } from "../security/fake-page.js";
import { createFakeIssuer, type FakeIssuer } from "./fake-issuer.js";
import { serviceUserKey } from "./keys.js";

/** What a polluted `Object.prototype` could make of a token request: options of ours and of the library. */
const inherited: Record<string, Record<string, unknown>> = {
  "another token endpoint": {
    use_mtls_endpoint_aliases: true,
    mtls_endpoint_aliases: { token_endpoint: "https://evil.example/token" },
  },
  "another kind of discovery": { algorithm: "oauth2" },
  "another instance": { instanceHost: "evil.example" },
  "another body": { body: "evil" },
  "more headers": { headers: { "x-evil": "yes" } },
  "a proof of possession": { DPoP: {} },
  "an endpoint that the document lacks": { revocation_endpoint: "https://evil.example/revoke" },
};

async function withInherited<T>(
  properties: Record<string, unknown>,
  run: () => T | Promise<T>,
): Promise<T> {
  Object.assign(Object.prototype, properties);
  try {
    return await run();
  } finally {
    for (const name of Object.keys(properties)) {
      delete (Object.prototype as Record<string, unknown>)[name];
    }
  }
}

function sent({ discoveries, tokenRequests }: FakeIssuer) {
  return [...discoveries, ...tokenRequests].map(({ url, headers, form }) => ({
    url,
    names: [...headers.keys()],
    fields: [...form.keys()],
  }));
}

const sources = {
  serviceUser: ({ issuer, fetch }: FakeIssuer) => serviceUser(serviceUserKey, { issuer, fetch }),
  clientCredentials: ({ issuer, fetch }: FakeIssuer) =>
    clientCredentials({ issuer, clientId: "admin", clientSecret: "s3cret", fetch }),
};

describe.each(Object.entries(sources))("%s", (_, createSource) => {
  it.each(Object.entries(inherited))("does not inherit %s", async (_, properties) => {
    const clean = createFakeIssuer();
    await createSource(clean)();
    const server = createFakeIssuer();
    const token = await withInherited(properties, () => createSource(server)());
    expect(token).toBe("token-1");
    expect(sent(server)).toEqual(sent(clean));
  });
});

describe("signIn", () => {
  it.each(Object.entries(inherited))("does not inherit %s", async (_, properties) => {
    const page = openFakePage();
    await withInherited(properties, async () => {
      await page.signIn({});
      await page.auth.signOut();
    });
    expect(page.requests().map(({ url }) => url)).toEqual([
      `${page.issuer}/.well-known/openid-configuration`,
      `${page.issuer}/oauth/v2/token`,
    ]);
    expect(page.requests().flatMap(({ headers }) => [...headers.keys()])).not.toContain("x-evil");
  });
});
