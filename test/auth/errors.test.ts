import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClientCredentials, createServiceUser } from "../../src/auth/service-user.js";
import type { TokenSource } from "../../src/options/options.js";
import { FakeEnvironment, settle } from "../support/fake-environment.js";
import { createFakeIssuer, type FakeIssuer, oauthError, type SeenRequest } from "./fake-issuer.js";

const clientSecret = "s3cret/+&ü";
const issuedToken = "issued-t0ken";
const key = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs1", format: "pem" })
  .toString();

let environment: FakeEnvironment;
let server: FakeIssuer;
let sources: TokenSource[];
const logs = { text: "" };

beforeEach(() => {
  environment = new FakeEnvironment();
  server = createFakeIssuer();
  const options = { issuer: server.issuer, fetch: server.fetch };
  const program = { ...options, clientId: "admin", clientSecret };
  sources = [
    createServiceUser(
      { type: "serviceaccount", keyId: "key-1", key, userId: "user-1" },
      options,
      environment,
    ),
    createClientCredentials(program, environment),
    createClientCredentials(
      { ...program, tokenEndpointAuthMethod: "client_secret_post" },
      environment,
    ),
  ];
  logs.text = "";
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...args) => {
      logs.text += inspect(args);
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Everything that a request carries and must stay secret, as sent and as encoded. */
function secretsOf({ form, headers }: SeenRequest): string[] {
  const basic = headers.get("authorization")?.slice("Basic ".length);
  const assertion = form.get("assertion");
  return [
    clientSecret,
    encodeURIComponent(clientSecret),
    issuedToken,
    key,
    key.split("\n")[3] ?? "",
  ]
    .concat(basic ?? [])
    .concat(assertion ?? [], assertion?.split(".")[2] ?? []);
}

/** A server that repeats everything it got, as it came and as it understood it. */
const echo = ({ form, headers }: SeenRequest) => {
  const authorization = headers.get("authorization") ?? "";
  const [, basic = ""] = authorization.split("Basic ");
  const decoded = new URLSearchParams(`all=${atob(basic)}`).get("all");
  return `${form} ${[...form.values()].join(" ")} ${authorization} ${decoded}`;
};

const failures: [
  name: string,
  code: Code,
  respond: (request: SeenRequest) => Response | Promise<Response>,
][] = [
  [
    "rejected, repeating the request",
    Code.Unauthenticated,
    (r) => oauthError(400, "invalid_grant", echo(r)),
  ],
  [
    "redirected",
    Code.Unauthenticated,
    (r) =>
      new Response(null, { status: 307, headers: { location: `https://evil.example/?${r.form}` } }),
  ],
  [
    "HTML",
    Code.Unauthenticated,
    (r) => new Response(echo(r), { headers: { "content-type": "text/html" } }),
  ],
  [
    "no JSON",
    Code.Unauthenticated,
    (r) =>
      new Response(`{"access_token":"${issuedToken}${echo(r)}`, {
        headers: { "content-type": "application/json" },
      }),
  ],
  ["no token", Code.Unauthenticated, (r) => Response.json({ token: issuedToken, echo: echo(r) })],
  [
    "a token of another type",
    Code.Unauthenticated,
    () => Response.json({ access_token: issuedToken, token_type: "mac" }),
  ],
  [
    "a token with a line break",
    Code.Unauthenticated,
    () => Response.json({ access_token: `${issuedToken}\r\nx: y`, token_type: "Bearer" }),
  ],
  [
    "500, repeating the request",
    Code.Unavailable,
    (r) => oauthError(500, "temporarily_unavailable", echo(r)),
  ],
  [
    "unreachable, with the request in the error",
    Code.Unavailable,
    (r) =>
      Promise.reject(
        Object.assign(
          new TypeError(`fetch failed for ${echo(r)}`, {
            cause: Object.assign(new Error(echo(r)), { request: r }),
          }),
          { request: r },
        ),
      ),
  ],
  [
    "rejected with something that is not an error",
    Code.Unavailable,
    (r) => Promise.reject(echo(r)),
  ],
  [
    "a certificate that is not trusted",
    Code.Unavailable,
    (r) =>
      Promise.reject(
        new TypeError("fetch failed", {
          cause: Object.assign(new Error(echo(r)), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
        }),
      ),
  ],
  ["no response", Code.DeadlineExceeded, () => new Promise(() => {})],
];

test.each(failures)("no secret shows in an error or a log: %s", async (_, code, respond) => {
  server.respond = respond;
  for (const source of sources) {
    const seen = server.tokenRequests.length;
    let error: unknown;
    Promise.resolve(source()).catch((reason) => {
      error = reason;
    });
    // Signing takes real time, in which the clock stands still.
    const request = async (count: number) => {
      while (error === undefined && server.tokenRequests.length < count) {
        await settle();
      }
    };
    await request(seen + 1);
    while (error === undefined) {
      const next = server.tokenRequests.length + 1;
      await environment.advance(1_000);
      if (code === Code.Unavailable) {
        await request(next);
      }
    }
    expect(error).toBeInstanceOf(ConnectError);
    expect(ConnectError.from(error)).toBe(error);
    const { code: found, message, stack, rawMessage } = error as ConnectError;
    expect(found).toBe(code);
    expect(rawMessage).toMatch(/^token request at https:\/\/issuer\.example\/oauth\/v2\/token /);
    const text = [
      message,
      stack,
      String(error),
      inspect(error, { depth: 20, showHidden: true }),
      inspect(source, { depth: 20, showHidden: true }),
      JSON.stringify(error),
      JSON.stringify(Object.getOwnPropertyDescriptors(error)),
      logs.text,
    ].join("\n");
    for (const secret of server.tokenRequests.slice(seen).flatMap(secretsOf)) {
      expect(text).not.toContain(secret);
    }
  }
});

test("an untrusted certificate is not retried, and the error names what to do", async () => {
  server.respond = failures.find(([name]) => name.startsWith("a certificate"))?.[2] as never;
  await expect(sources[1]?.()).rejects.toThrow(/was not sent: .*NODE_EXTRA_CA_CERTS/);
  expect(server.tokenRequests).toHaveLength(1);
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ["of another issuer", { issuer: "https://evil.example" }, /"issuer" property does not match/],
  ["without a token endpoint", { token_endpoint: undefined }, /it names no token_endpoint/],
  [
    "with a token endpoint without TLS",
    { token_endpoint: "http://issuer.example/token" },
    /its token_endpoint is not an https URL/,
  ],
  [
    "with a token endpoint on this machine",
    { token_endpoint: "http://localhost/token" },
    /its token_endpoint is not an https URL/,
  ],
  [
    "with an authorization endpoint that is a script",
    { authorization_endpoint: "javascript:alert(1)" },
    /its authorization_endpoint is not an https URL/,
  ],
  [
    "with an end-session endpoint without TLS",
    { end_session_endpoint: "http://issuer.example/end" },
    /its end_session_endpoint is not an https URL/,
  ],
])(
  "a discovery document %s is rejected, and no request follows it",
  async (_, metadata, message) => {
    server.metadata = metadata;
    const error = await Promise.resolve(sources[1]?.()).catch((reason) => reason);
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.rawMessage).toMatch(
      /^discovery at https:\/\/issuer\.example\/\.well-known\/openid-configuration /,
    );
    expect(error.rawMessage).toMatch(message);
    expect(server.tokenRequests).toHaveLength(0);
  },
);

test("an issuer that is not a ZITADEL is reported", async () => {
  const fetch = async () => new Response("not found", { status: 404 });
  const source = createClientCredentials(
    { issuer: server.issuer, clientId: "admin", clientSecret, fetch },
    environment,
  );
  await expect(source()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage:
      "discovery at https://issuer.example/.well-known/openid-configuration was rejected: HTTP 404. Is issuer the origin of a ZITADEL instance?",
  });
});

test("over the platform's own fetch, a redirect is not followed, and no secret is sent elsewhere", async () => {
  const seen: string[] = [];
  const httpServer = createServer((request, response) => {
    const origin = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    seen.push(`${request.method} ${request.url}`);
    if (request.url?.startsWith("/.well-known/")) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` }));
    } else {
      response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    }
  });
  await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
  try {
    const issuer = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    const source = createClientCredentials(
      { issuer, clientId: "admin", clientSecret },
      environment,
    );
    await expect(source()).rejects.toThrow(/got a redirect, which is not followed/);
    expect(seen).toEqual(["GET /.well-known/openid-configuration", "POST /token"]);
  } finally {
    httpServer.closeAllConnections();
    await new Promise((resolve) => httpServer.close(resolve));
  }
});
