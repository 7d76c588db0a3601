import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, test } from "vitest";
import { clientCredentials, serviceUser } from "../../src/auth/index.js";
import { createManagementClient } from "../../src/grpc.js";
import { close, describeError } from "../../src/index.js";
import type { TokenSource } from "../../src/options/options.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

let sandbox: SandboxServer;

afterEach(() => sandbox.close());

/** A client of the sandbox, and how many token requests its source made. */
function createClient(create: (fetch: typeof globalThis.fetch) => TokenSource) {
  let tokenRequests = 0;
  const token = create((url, init) => {
    tokenRequests += String(url).endsWith("/oauth/v2/token") ? 1 : 0;
    return fetch(url, init);
  });
  const client = createManagementClient({ baseUrl: sandbox.baseUrl, token, orgId: sandbox.orgId });
  return { client, tokenRequests: () => tokenRequests, [Symbol.dispose]: () => close(client) };
}

const sources: [string, (fetch: typeof globalThis.fetch) => TokenSource][] = [
  ["a key file", (fetch) => serviceUser(sandbox.addKey(), { issuer: sandbox.baseUrl, fetch })],
  [
    "client_secret_basic",
    (fetch) => clientCredentials({ ...sandbox.addClientSecret(), issuer: sandbox.baseUrl, fetch }),
  ],
  [
    "client_secret_post",
    (fetch) =>
      clientCredentials({
        ...sandbox.addClientSecret(),
        issuer: sandbox.baseUrl,
        tokenEndpointAuthMethod: "client_secret_post",
        fetch,
      }),
  ],
];

test.each(sources)("%s opens the API, with one token for many calls", async (_, create) => {
  sandbox = await startSandbox();
  using opened = createClient(create);
  const grants = Array.from({ length: 20 }, () => sandbox.addGrant());
  await Promise.all(grants.map((grant) => opened.client.deactivateUserGrant(grant)));
  expect(grants.every(({ grantId }) => sandbox.grant(grantId)?.state === "inactive")).toBe(true);
  expect(opened.tokenRequests()).toBe(1);
});

test.each(sources)(
  "%s: a token that expires early costs one more token request, and fails no call",
  async (_, create) => {
    sandbox = await startSandbox();
    using opened = createClient(create);
    await opened.client.deactivateUserGrant(sandbox.addGrant());
    sandbox.expireTokens();
    await Promise.all(
      Array.from({ length: 20 }, () => opened.client.deactivateUserGrant(sandbox.addGrant())),
    );
    expect(opened.tokenRequests()).toBe(2);
  },
);

test("a key that was removed is rejected with the usual cause", async () => {
  sandbox = await startSandbox();
  const key = sandbox.addKey();
  using opened = createClient((fetch) => serviceUser(key, { issuer: sandbox.baseUrl, fetch }));
  sandbox.removeKey(key.keyId);
  const error = await opened.client.deactivateUserGrant(sandbox.addGrant()).catch((e) => e);
  expect(error).toBeInstanceOf(ConnectError);
  expect(describeError(error)).toMatchObject({
    code: Code.Unauthenticated,
    id: undefined,
    message: `no token: token request at ${sandbox.baseUrl}/oauth/v2/token was rejected: HTTP 400, invalid_grant (invalid assertion). Usual causes: the key was removed, issuer is another instance than the key's, or the clock of this machine is off; nothing was sent`,
    requestId: undefined,
  });
});

test("a server clock that is set hours ahead costs no call: the rejection shows its time", async () => {
  let aheadMs = 0;
  sandbox = await startSandbox({ now: () => Date.now() + aheadMs });
  using opened = createClient((fetch) =>
    serviceUser(sandbox.addKey(), { issuer: sandbox.baseUrl, fetch }),
  );
  await opened.client.deactivateUserGrant(sandbox.addGrant());
  aheadMs = 24 * 3_600_000;
  await opened.client.deactivateUserGrant(sandbox.addGrant());
  expect(opened.tokenRequests()).toBe(3);
});
