import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { type DebugEvent, debug } from "../../src/debug.js";
import { createFetch } from "../../src/grpc.js";
import { createManagementClient } from "../../src/json.js";
import { openTelemetry } from "../../src/opentelemetry.js";
import { startHttpServer } from "../support/http-server.js";
import { collectSpans } from "../support/spans.js";
import { echoes, expectNoSecret, shown } from "./shown.js";

const spans = collectSpans();

const secret = "Qx7-pLw9.Zt3_Vb6/Rk1+Nd8=";

const fetches = { "the platform's fetch": undefined, createFetch: createFetch() };

interface FakeResponse {
  status?: number;
  type?: string;
  headers?: Record<string, string>;
  body: unknown;
}

const json = (body: unknown, status = 200): FakeResponse => ({ status, body });
const page = (echo: string): FakeResponse => ({
  status: 403,
  type: "text/html",
  body: `<p>${echo}</p>`,
});
const inHeaders = (echo: string): Record<string, string> => ({
  "x-echo": encodeURIComponent(echo),
  "www-authenticate": `Basic realm="${encodeURIComponent(echo)}"`,
});

/** Where an authorization server repeats the secret of a client. */
const tokenPlaces: Record<string, (echo: string) => FakeResponse> = {
  "the description of an error": (echo) =>
    json({ error: "invalid_request", error_description: echo }, 400),
  "the error itself": (echo) => json({ error: echo }, 400),
  "the headers of an error": (echo) => ({
    ...json({ error: "invalid_client" }, 401),
    headers: inHeaders(echo),
  }),
  "the content type": (echo) => ({ type: `text/${encodeURIComponent(echo)}`, body: "no" }),
  "a page": page,
  "bytes that are not JSON": (echo) => ({ body: `{${echo}` }),
  "a token response that is invalid": (echo) =>
    json({ access_token: `${echo}\n`, token_type: echo }),
  "an error that may pass": (echo) => json({ error: "busy", error_description: echo }, 503),
};
const discoveryPlaces: Record<string, (echo: string, document: object) => FakeResponse> = {
  "the description of an error": (echo) => json({ error: "no", error_description: echo }, 400),
  "the issuer": (echo, document) => json({ ...document, issuer: `https://${echo}` }),
  "the token endpoint": (echo, document) => json({ ...document, token_endpoint: echo }),
};
const wellIssued = { access_token: "T0ken-that-is-issued", token_type: "Bearer", expires_in: 600 };
const successes: Record<string, (echo: string) => FakeResponse> = {
  "other fields": (echo) => json({ ...wellIssued, [echo]: echo, scope: echo, refresh_token: echo }),
  "its headers": (echo) => ({ ...json(wellIssued), headers: inHeaders(echo) }),
};

interface Endpoints {
  discovery?: (echo: string, document: object) => FakeResponse;
  token?: (echo: string) => FakeResponse;
}

/** A server that issues tokens and serves the API, but where a test has it respond otherwise. */
async function serve({ discovery, token }: Endpoints, encode = echoes) {
  const { baseUrl: issuer } = await startHttpServer((request, response) => {
    const sent = String(request.headers.authorization ?? "").replace("Basic ", "");
    const echo = `${encode(secret)} ${sent} ${sent && encode(sent)}`;
    const document = { issuer, token_endpoint: `${issuer}/token` };
    const isDiscovery = request.url?.startsWith("/.well-known/") === true;
    const {
      status = 200,
      type = "application/json",
      headers,
      body,
    } = isDiscovery
      ? (discovery?.(echo, document) ?? json(document))
      : request.url === "/token"
        ? (token?.(echo) ?? json(wellIssued))
        : json({});
    response.writeHead(status, { "content-type": type, ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  return issuer;
}

/** Makes a call with a token of the source, and returns how it failed and everything that tells of it. */
async function callWith(
  issuer: string,
  fetch: typeof globalThis.fetch | undefined,
  timeoutMs = 30_000,
) {
  const source = clientCredentials({ issuer, clientId: "admin", clientSecret: secret, fetch });
  const events: DebugEvent[] = [];
  const client = createManagementClient({
    baseUrl: issuer,
    token: source,
    interceptors: [openTelemetry()],
    debug: debug((event) => events.push(event)),
    ...(fetch && { fetch }),
  });
  const error = await client.bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const [span] = spans.getFinishedSpans();
  // Nothing is sent without a token.
  expect(events.length > 0).toBe(error === undefined);
  expect(span).toBeDefined();
  const told = [span?.attributes, span?.events, span?.status, span?.name];
  return { error, everything: [error, source, client, events, told].map(shown).join("\n") };
}

describe.each(Object.entries(fetches))("with %s", (_, fetch) => {
  const failures = [
    ...Object.entries(tokenPlaces).map(([place, token]) => ["token", place, { token }] as const),
    ...Object.entries(discoveryPlaces).map(
      ([place, discovery]) => ["discovery", place, { discovery }] as const,
    ),
  ];
  it.each(failures)(
    "a client secret shows nowhere that the %s endpoint repeats in %s",
    async (_, place, places) => {
      // Such a failure is retried until the deadline.
      const timeoutMs = place === "an error that may pass" ? 500 : undefined;
      const { error, everything } = await callWith(await serve(places), fetch, timeoutMs);
      expect(error).toBeInstanceOf(ConnectError);
      expectNoSecret(everything, secret);
    },
  );

  it.each(Object.entries(successes))(
    "a client secret shows nowhere that a token response repeats in %s",
    async (_, token) => {
      const { error, everything } = await callWith(await serve({ token }), fetch);
      expect(error).toBeUndefined();
      expectNoSecret(everything, secret);
      expectNoSecret(everything, wellIssued.access_token);
    },
  );
});

it("a token that was issued appears in no error of the next renewal", async () => {
  const issued: string[] = [];
  const issuer = await serve(
    {
      token: () => {
        const echo = issued.join(" ");
        issued.push(`T0ken-${issued.length}-that-is-issued`);
        return issued.length === 1
          ? json({ ...wellIssued, access_token: issued[0] })
          : json({ error: "invalid_grant", error_description: `after ${echo}` }, 400);
      },
    },
    (text) => text,
  );
  const source = clientCredentials({ issuer, clientId: "admin", clientSecret: secret });
  const refused = await source();
  const error = await Promise.resolve(source({ refused })).catch((reason) => reason);
  expect(error).toMatchObject({ oauthError: "invalid_grant" });
  expect(String(error)).toContain("after ***");
  expectNoSecret(shown(error), refused);
});
