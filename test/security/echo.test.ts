import { createServer } from "node:net";
import { Code } from "@connectrpc/connect";
import { SpanStatusCode } from "@opentelemetry/api";
import { describe, expect, it, vi } from "vitest";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import { clientCredentials } from "../../src/auth/index.js";
import { type DebugEvent, debug } from "../../src/debug.js";
import { createFetch, type TokenSource } from "../../src/grpc.js";
import { openTelemetry } from "../../src/opentelemetry.js";
import { type Exchange, finish, respondWell } from "../faults/exchange.js";
import { fails, responds } from "../faults/fault.js";
import { listenForTest, startHttpServer } from "../support/http-server.js";
import {
  createClient,
  createTransport,
  failureOf,
  protocols,
  startWire,
} from "../support/protocols.js";
import { collectSpans } from "../support/spans.js";
import { echoes, expectNoSecret, shown, token } from "./shown.js";

const spans = collectSpans();
const grant = { userId: "1", grantId: "2" };

const ways = [
  ["grpc", "node:http2", undefined],
  ["grpc-web", "the platform's fetch", undefined],
  ["grpc-web", "createFetch", createFetch()],
  ["json", "the platform's fetch", undefined],
  ["json", "createFetch", createFetch()],
] as const;

/** Header fields carry visible ASCII, and a message percent-encodes what else there is. */
const percent = (text: string) => encodeURIComponent(text);

/** An error of ZITADEL with this text. */
const rejects = (code: Code, status: number, text: string) => (exchange: Exchange) =>
  exchange.protocol === "json"
    ? responds({ status, body: JSON.stringify({ code, message: text }) })(exchange)
    : fails({ "grpc-status": String(code), "grpc-message": percent(text) })(exchange);

/** Where a server repeats a secret. */
const places: Record<string, (exchange: Exchange, echo: string) => void> = {
  "the message of an error": (exchange, echo) => rejects(Code.NotFound, 404, echo)(exchange),
  "the details of an error": (exchange, echo) => {
    if (exchange.protocol !== "json") {
      const details = btoa(`x${percent(echo)}`);
      fails({ "grpc-status": "5", "grpc-status-details-bin": details })(exchange);
      return;
    }
    const own = { "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id: echo, message: echo };
    const other = { "@type": `type.googleapis.com/${echo}`, [echo]: [echo] };
    const body = JSON.stringify({ code: 5, message: "no", details: [own, other] });
    responds({ status: 404, body })(exchange);
  },
  "a header": (exchange, echo) =>
    responds({
      fields: { "x-echo": echo.replace(/[^ -~]/g, "?"), "x-echo-bin": btoa(percent(echo)) },
      body: (protocol) => (protocol === "json" ? "{" : ""),
      end: { "grpc-status": "7", "x-trailing": percent(echo) },
    })(exchange),
  "the content type": (exchange, echo) =>
    responds({ fields: { "content-type": `text/${percent(echo)}` }, body: "", end: "none" })(
      exchange,
    ),
  "the body of a proxy's page": (exchange, echo) =>
    responds({
      status: 403,
      fields: { "content-type": "text/html" },
      body: `<p>${echo}</p>`,
      end: "none",
    })(exchange),
  "a redirect": (exchange, echo) => {
    const location = `https://${percent(echo).replaceAll("%", "x")}.example/`;
    responds({ status: 302, fields: { location }, body: "", end: "none" })(exchange);
  },
  "bytes that are not HTTP": (exchange, echo) => {
    exchange.socket.end(`${echo}\r\n\r\n`);
  },
  "a success": (exchange, echo) => {
    const fields = { "x-echo": percent(echo), "x-echo-bin": btoa(percent(echo)) };
    responds({ fields, end: { "grpc-status": "0", ...fields } })(exchange);
  },
};

describe.each(ways)("over %s with %s", (protocol, _, fetch) => {
  it.each(Object.entries(places))(
    "a token appears nowhere that a server repeats in %s",
    async (place, respond) => {
      const { baseUrl } = await startWire(protocol, (exchange) => respond(exchange, echoes(token)));
      const events: DebugEvent[] = [];
      const client = createClient(protocol, {
        baseUrl,
        token,
        interceptors: [openTelemetry()],
        debug: debug((event) => events.push(event), { messages: true }),
        ...(fetch && { fetch }),
      });
      const call = client.deactivateUserGrant(grant);
      const error =
        place === "a success" ? await call.then(() => undefined) : await failureOf(call);
      expectNoSecret(shown(error), token);
      expect(events.length).toBeGreaterThan(1);
      expectNoSecret(shown(events), token);
      const [span] = spans.getFinishedSpans();
      expect(span?.status.code).toBe(
        error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR,
      );
      expectNoSecret(shown([span?.attributes, span?.events, span?.status, span?.name]), token);
      expect(span?.attributes["zitadel.error.id"]).toBeUndefined();
    },
  );
});

it("a token appears nowhere that a server repeats in bytes that are not HTTP/2", async () => {
  const { baseUrl } = await startWire("grpc", respondWell, {
    connection: (socket) => {
      socket.once("data", () => socket.end(`HTTP/1.1 400 ${echoes(token)}\r\n\r\n`));
      return true;
    },
  });
  const client = createClient("grpc", { baseUrl, token });
  expectNoSecret(shown(await failureOf(client.deactivateUserGrant(grant))), token);
});

it("a stream masks what its error repeats", async () => {
  const { baseUrl } = await startWire("grpc-web", (exchange) => {
    exchange.head();
    finish(exchange, { "grpc-status": "5", "grpc-message": percent(token) });
  });
  const transport = createTransport("grpc-web", { baseUrl, token });
  const { deactivateUserGrant } = ManagementService.method;
  const method = { ...deactivateUserGrant, methodKind: "server_streaming" } as never;
  async function* requests() {
    yield grant;
  }
  const read = async () => {
    const stream = await transport.stream(method, undefined, undefined, undefined, requests());
    for await (const _ of stream.message) {
      // There is none.
    }
  };
  const error = await failureOf(read());
  expect(error.code).toBe(Code.NotFound);
  expectNoSecret(shown(error), token);
});

describe.each(protocols)("over %s", (protocol) => {
  /** How a call with this token source fails on a server that rejects every token with this text. */
  async function rejection(text: string, source: TokenSource) {
    const { baseUrl } = await startWire(protocol, rejects(Code.Unauthenticated, 401, text));
    const error = await failureOf(
      createClient(protocol, { baseUrl, token: source }).deactivateUserGrant(grant),
    );
    expect(error.code).toBe(Code.Unauthenticated);
    return error;
  }
  const second = "An0ther-t0ken/that+is-sent";

  it("a token appears nowhere that the server repeats after it was sent another one", async () => {
    const error = await rejection(`${token} ${second}`, ({ refused } = {}) =>
      refused === undefined ? token : second,
    );
    expect(String(error)).toContain("*** ***");
    expectNoSecret(shown(error), token);
    expectNoSecret(shown(error), second);
  });

  it("a token does not appear in the message of a source that failed to replace it", async () => {
    const reason = new Error(`cannot replace ${token}`);
    const error = await rejection("no", ({ refused } = {}) => {
      if (refused !== undefined) {
        throw reason;
      }
      return token;
    });
    expect(error.cause).toBe(reason);
    expect(error.message).toContain("cannot replace ***");
  });
});

/** Where an authorization server repeats the secret of a client: status, content type and body. */
const tokenPlaces: Record<string, (echo: string) => [status: number, type: string, body: unknown]> =
  {
    "the description of an error": (echo) => [
      400,
      "application/json",
      { error: "invalid_request", error_description: echo },
    ],
    "the error itself": (echo) => [400, "application/json", { error: echo }],
    "the content type": (echo) => [200, `text/${percent(echo)}`, "no"],
    "a page": (echo) => [403, "text/html", `<title>${echo}</title>`],
    "an invalid token": (echo) => [
      200,
      "application/json",
      { access_token: `${echo}\n`, token_type: echo },
    ],
  };

it.each(Object.entries(tokenPlaces))(
  "a client secret appears nowhere that the token endpoint repeats in %s",
  async (_, respond) => {
    const secret = "Qx7-pLw9.Zt3_Vb6/Rk1+Nd8=";
    const { baseUrl: issuer } = await startHttpServer((request, response) => {
      const sent = request.headers.authorization ?? "";
      const [status, type, body] = request.url?.startsWith("/.well-known/")
        ? [200, "application/json", { issuer, token_endpoint: `${issuer}/token` }]
        : respond(`${echoes(secret)} ${sent}`);
      response.writeHead(Number(status), { "content-type": String(type) });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    const source = clientCredentials({ issuer, clientId: "admin", clientSecret: secret });
    const client = createClient("json", { baseUrl: issuer, token: source });
    const error = await failureOf(client.deactivateUserGrant(grant));
    expectNoSecret(shown([error, source, client]), secret);
    expectNoSecret(shown(error), secret);
  },
);

const proxyResponses: Record<string, (echo: string) => string> = {
  "bytes that are not HTTP": (echo) => `${echo}\r\n\r\n`,
  "a status text": (echo) => `HTTP/1.1 407 ${echo}\r\n\r\n`,
  "a header": (echo) => `HTTP/1.1 200 OK\r\nx y: ${echo}\r\n\r\n`,
  "what should be TLS": (echo) => `HTTP/1.1 200 OK\r\n\r\n${echo}${echo}`,
};

it.each(Object.entries(proxyResponses))(
  "a proxy's credentials appear nowhere that it repeats in %s",
  async (_, respond) => {
    const password = "pr0xy-p4ssword/of+the=company";
    const server = createServer((socket) => {
      socket.once("data", (bytes) => {
        const [, sent = ""] = bytes.toString("latin1").split("Basic ");
        socket.end(respond(`${echoes(password)} ${sent.split("\r")[0]}`));
      });
    });
    const port = await listenForTest(server);
    vi.stubEnv("HTTPS_PROXY", `http://user:${encodeURIComponent(password)}@127.0.0.1:${port}`);
    const baseUrl = "https://zitadel.example";
    const overJson = createClient("json", { baseUrl, token, fetch: createFetch() });
    const calls = [
      createClient("grpc", { baseUrl, token }).deactivateUserGrant(grant),
      overJson.deactivateUserGrant(grant),
      createFetch()(baseUrl, { headers: { authorization: `Bearer ${token}` } }),
    ];
    for (const result of await Promise.allSettled<unknown>(calls)) {
      const error: unknown = result.status === "rejected" && result.reason;
      expect(error).toBeInstanceOf(Error);
      expectNoSecret(shown(error), password);
      expectNoSecret(shown(error), token);
    }
  },
);

describe("the caller's own values", () => {
  it("stay the same object: the reason of an abort", async () => {
    const client = createClient("grpc-web", {
      baseUrl: "https://zitadel.example",
      token,
      fetch: (_, init) =>
        new Promise((_, reject) => {
          init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        }),
    });
    const controller = new AbortController();
    const reason = { mine: token };
    const call = client.deactivateUserGrant(grant, { signal: controller.signal });
    controller.abort(reason);
    const error = await failureOf(call);
    expect(error.code).toBe(Code.Canceled);
    expect(error.cause).toBe(reason);
  });
});
