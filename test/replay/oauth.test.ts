import { createPrivateKey } from "node:crypto";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";
import { type RawResponse, sendHttp1 } from "./raw-request.js";
import { bodyOf, type Exchange, readRecordings, statusOf } from "./recordings.js";

let sandbox: SandboxServer;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(() => sandbox.close());

interface TokenExchange extends Exchange {
  readonly request: Exchange["request"] & { readonly form: Readonly<Record<string, string>> };
}

/** An assertion as the name of a recording describes it. */
function assertionFor(name: string): Promise<string> | string {
  if (name.endsWith("garbage")) {
    return "garbage";
  }
  const { keyId, key, userId } = sandbox.addKey();
  const user = name.endsWith("unknown-user") ? "999999999999999999" : userId;
  const issuedAt = Math.floor(Date.now() / 1000) - (name.endsWith("expired") ? 7200 : 0);
  return new SignJWT()
    .setProtectedHeader({ alg: "RS256", kid: keyId })
    .setIssuer(user)
    .setSubject(user)
    .setAudience(name.endsWith("wrong-audience") ? "https://other.example" : sandbox.baseUrl)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + 3600)
    .sign(createPrivateKey(key));
}

function comparable(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = String(value);
    // Bodies with tokens, and with origins, have other lengths here.
    if (!["content-length", "transfer-encoding"].includes(name)) {
      result[name] = /^(date|expires|x-request-id)$/.test(name)
        ? "…"
        : text.replace(/(zitadel\.useragent=)[^;]+/, "$1…");
    }
  }
  return result;
}

function compare(response: RawResponse, exchange: Exchange): void {
  expect(response.status).toBe(statusOf(exchange));
  expect(comparable(response.headers)).toEqual(comparable(exchange.response.headers));
  const masked = (body: Buffer) =>
    JSON.parse(
      body
        .toString()
        .replaceAll(/http:\/\/localhost:\d+/g, "origin")
        .replace(/("access_token":")[^"]+/, "$1…")
        .replace(/("id_token":")[^"]+/, "$1…"),
    );
  expect(masked(response.body)).toEqual(masked(bodyOf(exchange)));
}

describe("the sandbox responds to token requests like the recorded ZITADEL:", () => {
  it.each(readRecordings("oauth") as [string, TokenExchange][])("%s", async (name, exchange) => {
    const { form } = exchange.request;
    const { clientId, clientSecret } = sandbox.addClientSecret();
    const secret = name.endsWith("wrong-secret") ? "wrong" : clientSecret;
    const basic = ["client-credentials/basic", "client-credentials/wrong-secret"].includes(name);
    const response = await sendHttp1({
      method: "POST",
      url: `${sandbox.baseUrl}/oauth/v2/token`,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        ...(basic
          ? { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString("base64")}` }
          : {}),
      },
      body: Buffer.from(
        new URLSearchParams({
          ...form,
          ...(form.assertion === undefined ? {} : { assertion: await assertionFor(name) }),
          ...(form.client_id === undefined
            ? {}
            : { client_id: clientId, client_secret: clientSecret }),
        }).toString(),
      ),
    });
    compare(response, exchange);
  });
});

it.each(generations)(
  "the sandbox responds to discovery like the recorded %s",
  async (generation) => {
    const other = await startSandbox({ generation });
    onTestFinished(() => other.close());
    const [, exchange] = readRecordings("http", generation).find(([name]) => name === "discovery")!;
    const response = await sendHttp1({
      method: "GET",
      url: `${other.baseUrl}/.well-known/openid-configuration`,
      headers: {},
    });
    compare(response, exchange);
  },
);
