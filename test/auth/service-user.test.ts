import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { importSPKI, jwtVerify } from "jose";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { ServiceUserKey } from "../../src/auth/index.js";
import { createServiceUser } from "../../src/auth/service-user.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { createFakeIssuer, type FakeIssuer, oauthError } from "./fake-issuer.js";
import { makePrivateKey } from "./keys.js";

let privateKey: KeyObject;
let publicKey: CryptoKey;
let environment: FakeEnvironment;
let server: FakeIssuer;

beforeAll(async () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  privateKey = pair.privateKey;
  publicKey = await importSPKI(
    pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
    "RS256",
  );
});

beforeEach(() => {
  environment = new FakeEnvironment();
  server = createFakeIssuer();
});

function pem(type: "pkcs1" | "pkcs8"): string {
  return privateKey.export({ type, format: "pem" }).toString();
}

function keyFile(changes: Partial<Record<keyof ServiceUserKey, unknown>> = {}): ServiceUserKey {
  return {
    type: "serviceaccount",
    keyId: "key-1",
    key: pem("pkcs1"),
    expirationDate: "2030-01-31T12:00:00Z",
    userId: "user-1",
    ...changes,
  } as ServiceUserKey;
}

function source(key: ServiceUserKey | string | Uint8Array, scopes?: string[]) {
  return createServiceUser(
    key,
    { issuer: server.issuer, scopes, fetch: server.fetch },
    environment,
  );
}

test.each([
  ["a PKCS#1 key", () => keyFile()],
  ["a PKCS#8 key", () => keyFile({ key: pem("pkcs8") })],
  ["JSON text", () => JSON.stringify(keyFile())],
  [
    "a key with line breaks of Windows",
    () => keyFile({ key: pem("pkcs1").replaceAll("\n", "\r\n") }),
  ],
  [
    "a key whose line breaks are escaped twice",
    () => keyFile({ key: pem("pkcs1").replaceAll("\n", "\\n") }),
  ],
  ["a key file without expirationDate", () => keyFile({ expirationDate: undefined })],
])("%s makes an assertion that its public key verifies", async (_, key) => {
  expect(await source(key())()).toBe("token-1");
  const assertion = server.tokenRequests[0]?.form.get("assertion") ?? "";
  const { payload, protectedHeader } = await jwtVerify(assertion, publicKey, {
    currentDate: new Date(environment.wallMs()),
  });
  expect(protectedHeader).toEqual({ alg: "RS256", kid: "key-1" });
  const now = environment.wallMs() / 1000;
  expect(payload).toEqual({
    iss: "user-1",
    sub: "user-1",
    aud: "https://issuer.example",
    iat: now - 60,
    exp: now + 3540,
  });
});

test("the token request has the grant type that ZITADEL accepts, both required scopes and the caller's", async () => {
  await source(keyFile(), ["profile", "openid", "email"])();
  const { url, form, headers } = server.tokenRequests[0]!;
  expect(url).toBe("https://issuer.example/oauth/v2/token");
  expect([...form.keys()].sort()).toEqual(["assertion", "grant_type", "scope"]);
  expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
  expect(form.get("scope")).toBe("openid urn:zitadel:iam:org:project:id:zitadel:aud profile email");
  expect(headers.has("authorization")).toBe(false);
});

test("each token request has an assertion of its own time", async () => {
  const token = source(keyFile());
  await token();
  environment.setWall(43_200_000);
  await token();
  const [first, second] = server.tokenRequests.map(({ form }) =>
    JSON.parse(atob(form.get("assertion")?.split(".")[1] ?? "")),
  );
  expect(second.iat - first.iat).toBe(43_200);
});

test("the audience is the issuer as the server spells it, with or without a final slash in the option", async () => {
  const token = createServiceUser(
    keyFile(),
    { issuer: "https://issuer.example/", fetch: server.fetch },
    environment,
  );
  await token();
  const payload = server.tokenRequests[0]?.form.get("assertion")?.split(".")[1] ?? "";
  expect(JSON.parse(atob(payload)).aud).toBe("https://issuer.example");
});

test("an id_token with another audience is ignored", async () => {
  server.respond = () => server.issue({ id_token: "not.even.one" });
  expect(await source(keyFile())()).toBe("token-1");
});

test("an expired key is rejected with its date before anything is sent", async () => {
  expect(() => source(keyFile({ expirationDate: "2026-11-21T07:59:59Z" }))).toThrow(
    new TypeError(
      "the key of this service user expired on 2026-11-21T07:59:59.000Z: make a new one in ZITADEL",
    ),
  );
  const token = source(keyFile({ expirationDate: "2026-11-22T08:00:01Z" }));
  await environment.advance(1_000);
  const error = await Promise.resolve(token()).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.Unauthenticated });
  expect(error.message).toContain("expired on 2026-11-22T08:00:01.000Z");
  expect(server.tokenRequests).toHaveLength(0);
});

test.each([
  [
    "no JSON",
    "/etc/zitadel/key.json",
    /got a string of 21 characters that is not JSON \(is it the file's name/,
  ],
  ["JSON of something else", "17", /as an object or its JSON text; got a value of type number/],
  ["an application's key", { type: "application" }, /this is the key of an application/],
  [
    "no keyId",
    { keyId: undefined },
    /^key\.keyId must be a string that is not empty; got nothing$/,
  ],
  ["no key", { key: undefined }, /^key\.key must be an RSA private key in PEM .*; got nothing$/],
  [
    "a public key",
    { key: "-----BEGIN PUBLIC KEY-----\ns3cret\n-----END PUBLIC KEY-----" },
    /^key\.key must be/,
  ],
  [
    "an encrypted key",
    {
      key: "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\ns3cr\n-----END RSA PRIVATE KEY-----",
    },
    /not encrypted/,
  ],
  [
    "no DER",
    { key: "-----BEGIN RSA PRIVATE KEY-----\ns3cretss\n-----END RSA PRIVATE KEY-----" },
    /^key\.key must be/,
  ],
  ["no date", { expirationDate: "s3cret" }, /^key\.expirationDate must be a date/],
  ["a number for a date", { expirationDate: 5 }, /^key\.expirationDate must be a date/],
])("a key file with %s is rejected, naming the field and not its value", (_, key, message) => {
  const attempt = () => source(typeof key === "string" ? key : keyFile(key));
  expect(attempt).toThrow(TypeError);
  expect(attempt).toThrow(message);
  expect(attempt).not.toThrow(/s3c/);
});

test("a truncated key is rejected before anything is sent", async () => {
  const cut = `-----BEGIN RSA PRIVATE KEY-----\n${btoa("\x30\x03\x02\x01\x00")}\n-----END RSA PRIVATE KEY-----`;
  expect(() => source(keyFile({ key: cut }))).toThrow(
    /^key\.key must be an RSA private key in PEM/,
  );
});

test.each([1024, 2047, 2048, 3072])("a key of %i bits is rejected if that is too short", (bits) => {
  const attempt = () => source(keyFile({ key: makePrivateKey(bits) }));
  if (bits < 2048) {
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(/^key\.key must be an RSA private key .* of 2048 bits or more/);
  } else {
    expect(attempt).not.toThrow();
  }
});

test.each<[string, (json: string) => string | Uint8Array]>([
  ["bytes", (json) => new TextEncoder().encode(json)],
  ["a byte order mark", (json) => `\uFEFF${json}`],
  ["UTF-16, as bytes", (json) => Buffer.from(`\uFEFF${json}`, "utf16le")],
  ["UTF-16 without a mark, as bytes", (json) => Buffer.from(json, "utf16le")],
  ["UTF-16, big-endian, as bytes", (json) => Buffer.from(`\uFEFF${json}`, "utf16le").swap16()],
  ["UTF-16, read as UTF-8", (json) => Buffer.from(`\uFEFF${json}`, "utf16le").toString("utf8")],
  ["base64, as ZITADEL's API returns it", (json) => Buffer.from(json).toString("base64")],
  ["real line breaks in the PEM text", (json) => json.replaceAll("\\n", "\n")],
])("a key file is read with %s", async (_, spell) => {
  expect(await source(spell(JSON.stringify(keyFile())))()).toBe("token-1");
});

/** An authorization server whose responses have these header fields. */
function serverWith(fields: () => Record<string, string>) {
  const { fetch } = server;
  const changed: typeof globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    return new Response(response.body, {
      status: response.status,
      headers: { ...Object.fromEntries(response.headers), ...fields() },
    });
  };
  return changed;
}

/** An authorization server whose clock is ahead of this machine's by so much. */
function serverAheadBy(ms: number) {
  return serverWith(() => ({ date: new Date(environment.wallMs() + ms).toUTCString() }));
}

const hoursAgo = new Date(Date.parse("2026-11-22T06:00:00Z")).toUTCString();

test.each<Record<string, string>>([
  { date: "0" },
  { date: "-5" },
  { date: "2020-11-24T10:00:00Z" },
  { date: "Tue, 24 Nov 2020 14:00:00" },
  // From a cache, which may say so.
  { date: hoursAgo },
  { date: hoursAgo, age: "7200" },
])("the headers %j tell of no other clock", async (fields) => {
  const options = { issuer: server.issuer, fetch: serverWith(() => fields) };
  await createServiceUser(keyFile(), options, environment)();
  const payload = server.tokenRequests[0]?.form.get("assertion")?.split(".")[1] ?? "";
  const { iat } = JSON.parse(atob(payload));
  expect(Math.abs(iat - environment.wallMs() / 1000)).toBeLessThan(65);
});

test.each([-70_000, -7_200_000, 7_200_000])(
  "a clock that is off by %i ms is corrected by the server's Date: an assertion is valid in its time",
  async (offsetMs) => {
    const options = { issuer: server.issuer, fetch: serverAheadBy(offsetMs) };
    server.respond = ({ form }) => {
      const { iat, exp } = JSON.parse(atob(form.get("assertion")?.split(".")[1] ?? ""));
      const nowSeconds = (environment.wallMs() + offsetMs) / 1000;
      return iat < nowSeconds && nowSeconds < exp && nowSeconds - iat < 3600
        ? server.issue()
        : oauthError(400, "invalid_grant", "invalid assertion");
    };
    const token = createServiceUser(keyFile(), options, environment);
    let found: string | undefined;
    Promise.resolve(token()).then((value) => {
      found = value;
    });
    while (found === undefined && environment.monotonicMs() < 9_000) {
      await environment.advance(10);
    }
    expect(found).toBe("token-1");
    expect(server.tokenRequests.length).toBeLessThanOrEqual(2);
  },
);

test("a key that has expired by a clock that is ahead, and not by the server's, works", async () => {
  const options = { issuer: server.issuer, fetch: serverAheadBy(-70_000) };
  const key = keyFile({ expirationDate: "2026-11-22T07:59:00Z" });
  expect(await createServiceUser(key, options, environment)()).toBe("token-1");
});

test.each([
  [-70_000, "The clock of this machine is 70 s ahead of the server's"],
  [90_000, "The clock of this machine is 90 s behind the server's"],
])("the error states the clock skew: %i ms", async (offsetMs, complaint) => {
  const options = { issuer: server.issuer, fetch: serverAheadBy(offsetMs) };
  server.respond = () => oauthError(400, "invalid_grant", "invalid assertion");
  const refused = createServiceUser(keyFile(), options, environment)();
  await expect(refused).rejects.toThrow(complaint);
  const expired = keyFile({ expirationDate: "2026-11-22T06:00:00Z" });
  await expect(createServiceUser(expired, options, environment)()).rejects.toThrow(complaint);
});

test("instanceHost reaches an instance at an address of another name", async () => {
  const inside = createFakeIssuer("https://zitadel.svc.cluster.local");
  inside.metadata = {
    issuer: "https://auth.example.com",
    token_endpoint: "https://auth.example.com/oauth/v2/token",
  };
  const options = { issuer: inside.issuer, instanceHost: "auth.example.com", fetch: inside.fetch };
  expect(await createServiceUser(keyFile(), options, environment)()).toBe("token-1");
  const [request] = inside.tokenRequests;
  expect(request?.url).toBe("https://zitadel.svc.cluster.local/oauth/v2/token");
  for (const { headers } of [...inside.discoveries, ...inside.tokenRequests]) {
    expect(headers.get("x-zitadel-instance-host")).toBe("auth.example.com");
  }
  const payload = request?.form.get("assertion")?.split(".")[1] ?? "";
  expect(JSON.parse(atob(payload)).aud).toBe("https://auth.example.com");
});

test("with instanceHost, the discovery document must name an issuer on that host", async () => {
  const inside = createFakeIssuer("https://zitadel.svc.cluster.local");
  inside.metadata = { issuer: "https://evil.example" };
  const options = { issuer: inside.issuer, instanceHost: "auth.example.com", fetch: inside.fetch };
  const token = createServiceUser(keyFile(), options, environment);
  await expect(token()).rejects.toMatchObject({ code: Code.Unauthenticated });
  expect(inside.tokenRequests).toEqual([]);
});

test.each(["https://auth.example.com", "a b", "a\r\nx: y", "", 7])(
  "the instanceHost %j is rejected",
  (instanceHost) => {
    const options = { issuer: server.issuer, instanceHost } as never;
    expect(() => createServiceUser(keyFile(), options, environment)).toThrow(
      /instanceHost must be a host name without a scheme/,
    );
  },
);

test("invalid_grant comes with its usual cause", async () => {
  server.respond = () => oauthError(400, "invalid_grant", "invalid assertion");
  await expect(source(keyFile())()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage:
      "token request at https://issuer.example/oauth/v2/token was rejected: HTTP 400, invalid_grant (invalid assertion). Usual causes: the key was removed, issuer is another instance than the key's, or the clock of this machine is off",
  });
});
