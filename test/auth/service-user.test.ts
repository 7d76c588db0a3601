import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { importSPKI, jwtVerify } from "jose";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { ServiceUserKey } from "../../src/auth/index.js";
import { createServiceUser } from "../../src/auth/service-user/service-user.js";
import { createFakeEnvironment, type FakeEnvironment } from "./fake-environment.js";
import { createFakeIssuer, type FakeIssuer, oauthError } from "./fake-issuer.js";

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
  environment = createFakeEnvironment();
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

function source(key: ServiceUserKey | string, scopes?: string[]) {
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

test("the token request is the grant that ZITADEL takes, with both scopes and those of the caller", async () => {
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
  environment.suspend(43_200_000);
  await token();
  const [first, second] = server.tokenRequests.map(({ form }) =>
    JSON.parse(atob(form.get("assertion")?.split(".")[1] ?? "")),
  );
  expect(second.iat - first.iat).toBe(43_200);
});

test("the audience is the issuer as the server writes it, whatever slash the option ends in", async () => {
  const token = createServiceUser(
    keyFile(),
    { issuer: "https://issuer.example/", fetch: server.fetch },
    environment,
  );
  await token();
  const payload = server.tokenRequests[0]?.form.get("assertion")?.split(".")[1] ?? "";
  expect(JSON.parse(atob(payload)).aud).toBe("https://issuer.example");
});

test("an id_token that names somebody else as audience does not matter to a program", async () => {
  server.answer = () => server.issue({ id_token: "not.even.one" });
  expect(await source(keyFile())()).toBe("token-1");
});

test("an expired key is refused with its date before anything is sent", async () => {
  expect(() => source(keyFile({ expirationDate: "2026-11-22T07:59:59Z" }))).toThrow(
    new TypeError(
      "the key of this service user expired on 2026-11-22T07:59:59.000Z: make a new one in ZITADEL",
    ),
  );
  const token = source(keyFile({ expirationDate: "2026-11-22T08:00:01Z" }));
  await environment.advance(1_000);
  const error = await Promise.resolve(token()).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.Unauthenticated });
  expect(error.message).toContain("expired on 2026-11-22T08:00:01.000Z");
  expect(server.discoveries).toHaveLength(0);
});

test.each([
  [
    "no JSON",
    "/etc/zitadel/key.json",
    /got a string of 21 characters that is no JSON \(is it the file's name/,
  ],
  ["JSON of something else", "17", /as an object or its JSON text; got a value of type number/],
  ["an application's key", { type: "application" }, /this is the key of an application/],
  [
    "another type",
    { type: "s3cret" },
    /^key\.type must be "serviceaccount".*got a string of 6 char/,
  ],
  [
    "no keyId",
    { keyId: undefined },
    /^key\.keyId must be a string that is not empty; got nothing$/,
  ],
  ["an empty userId", { userId: "" }, /^key\.userId must be .*; got an empty string$/],
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
    "no base64",
    { key: "-----BEGIN RSA PRIVATE KEY-----\ns3cre\n-----END RSA PRIVATE KEY-----" },
    /^key\.key must be/,
  ],
  [
    "no DER",
    { key: "-----BEGIN RSA PRIVATE KEY-----\ns3cretss\n-----END RSA PRIVATE KEY-----" },
    /^key\.key must be/,
  ],
  ["no date", { expirationDate: "s3cret" }, /^key\.expirationDate must be a date/],
])("a key file with %s is refused, naming the field and not its value", (_, key, message) => {
  const attempt = () => source(typeof key === "string" ? key : keyFile(key));
  expect(attempt).toThrow(TypeError);
  expect(attempt).toThrow(message);
  expect(attempt).not.toThrow(/s3c/);
});

test("a key that is cut off is refused before anything is sent", async () => {
  const cut = `-----BEGIN RSA PRIVATE KEY-----\n${btoa("\x30\x03\x02\x01\x00")}\n-----END RSA PRIVATE KEY-----`;
  await expect(source(keyFile({ key: cut }))()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage: "key.key of the key file is no usable RSA private key: is it complete?",
  });
  expect(server.discoveries).toHaveLength(0);
});

test("invalid_grant says what usually causes it", async () => {
  server.answer = () => oauthError(400, "invalid_grant", "invalid assertion");
  await expect(source(keyFile())()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage:
      "token request at https://issuer.example/oauth/v2/token was refused: HTTP 400, invalid_grant (invalid assertion). Usual causes: the clock of this machine is off, issuer is another instance than the key's, or the key was removed",
  });
});
