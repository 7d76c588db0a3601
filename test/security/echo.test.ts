import { createServer } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { SpanStatusCode } from "@opentelemetry/api";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { type DebugEvent, debug } from "../../src/debug.js";
import { close, createFetch, createManagementClient as createGrpcClient } from "../../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { openTelemetry } from "../../src/opentelemetry.js";
import { type Exchange, finish, messageBytes } from "../faults/exchange.js";
import { startHttp1Wire } from "../faults/http1-wire.js";
import { startHttp2Wire } from "../faults/http2-wire.js";
import { startHttpServer } from "../support/http-server.js";
import { collectSpans } from "../support/spans.js";
import { echoes, expectNoSecret, shown, token } from "./shown.js";

const spans = collectSpans();

const clients = { grpc: createGrpcClient, "grpc-web": createGrpcWebClient, json: createJsonClient };

const ways = [
  ["grpc", "node:http2", undefined],
  ["grpc-web", "the platform's fetch", undefined],
  ["grpc-web", "createFetch", createFetch()],
  ["json", "the platform's fetch", undefined],
  ["json", "createFetch", createFetch()],
] as const;

/** Header fields carry visible ASCII, and a message percent-encodes what else there is. */
const percent = (text: string) => encodeURIComponent(text);

/** Where a server repeats a secret. JSON responses that only gRPC has are left out. */
const places: Record<string, (exchange: Exchange, echo: string) => void> = {
  "the message of an error": (exchange, echo) => {
    if (exchange.protocol === "json") {
      exchange.head({}, 404);
      exchange.body(JSON.stringify({ code: 5, message: echo }));
      exchange.end();
    } else {
      exchange.head();
      finish(exchange, { "grpc-status": "5", "grpc-message": percent(echo) });
    }
  },
  "the details of an error": (exchange, echo) => {
    if (exchange.protocol === "json") {
      exchange.head({}, 404);
      const own = {
        "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
        id: echo,
        message: echo,
      };
      const other = { "@type": `type.googleapis.com/${echo}`, [echo]: [echo] };
      exchange.body(JSON.stringify({ code: 5, message: "no", details: [own, other] }));
      exchange.end();
    } else {
      exchange.head();
      finish(exchange, {
        "grpc-status": "5",
        "grpc-status-details-bin": btoa(`x${percent(echo)}`),
      });
    }
  },
  "a header": (exchange, echo) => {
    exchange.head({ "x-echo": echo.replace(/[^ -~]/g, "?"), "x-echo-bin": btoa(percent(echo)) });
    if (exchange.protocol === "json") {
      exchange.body("{");
      exchange.end();
    } else {
      finish(exchange, { "grpc-status": "7", "x-trailing": percent(echo) });
    }
  },
  "the content type": (exchange, echo) => {
    exchange.head({ "content-type": `text/${percent(echo)}` });
    exchange.end();
  },
  "the body of a proxy's page": (exchange, echo) => {
    exchange.head({ "content-type": "text/html" }, 403);
    exchange.body(`<p>${echo}</p>`);
    exchange.end();
  },
  "a redirect": (exchange, echo) => {
    exchange.head({ location: `https://${percent(echo).replaceAll("%", "x")}.example/` }, 302);
    exchange.end();
  },
  "bytes that are not HTTP": (exchange, echo) => {
    exchange.socket.end(`${echo}\r\n\r\n`);
  },
  "a success": (exchange, echo) => {
    const echoes = { "x-echo": percent(echo), "x-echo-bin": btoa(percent(echo)) };
    exchange.head(echoes);
    exchange.body(messageBytes(exchange.protocol));
    finish(exchange, { "grpc-status": "0", ...echoes });
  },
};

describe.each(ways)("over %s with %s", (protocol, _, fetch) => {
  it.each(Object.entries(places))(
    "a token appears nowhere that a server repeats in %s",
    async (place, respond) => {
      const options = { respond: (exchange: Exchange) => respond(exchange, echoes(token)) };
      const server = await (protocol === "grpc"
        ? startHttp2Wire(options)
        : startHttp1Wire(protocol, options));
      onTestFinished(() => server.close());
      const events: DebugEvent[] = [];
      const client = clients[protocol]({
        baseUrl: `http://127.0.0.1:${server.port}`,
        token,
        interceptors: [openTelemetry()],
        debug: debug((event) => events.push(event), { messages: true }),
        ...(fetch && { fetch }),
      } as never);
      onTestFinished(() => close(client));
      const outcome = await client.deactivateUserGrant({ userId: "1", grantId: "2" }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(outcome === undefined).toBe(place === "a success");
      if (outcome !== undefined) {
        expect(outcome).toBeInstanceOf(ConnectError);
        expectNoSecret(shown(outcome), token);
      }
      expect(events.length).toBeGreaterThan(1);
      expectNoSecret(shown(events), token);
      const [span] = spans.getFinishedSpans();
      expect(span?.status.code).toBe(
        outcome === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR,
      );
      expectNoSecret(shown([span?.attributes, span?.events, span?.status, span?.name]), token);
      expect(span?.attributes["zitadel.error.id"]).toBeUndefined();
    },
  );
});

it("a token appears nowhere that a server repeats in bytes that are not HTTP/2", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(`HTTP/1.1 400 ${echoes(token)}\r\n\r\n`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const client = createGrpcClient({ baseUrl: `http://127.0.0.1:${port}`, token });
  onTestFinished(() => close(client));
  const error = await client.bulkRemoveUserGrant({ grantId: ["1"] }).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConnectError);
  expectNoSecret(shown(error), token);
});

describe("a stream", () => {
  it("masks what its error repeats", async () => {
    const { createTransport } = await import("../../src/grpc-web.js");
    const { ManagementService } = await import("../../gen/zitadel/management_pb.js");
    const server = await startHttp1Wire("grpc-web", {
      respond: (exchange) => {
        exchange.head();
        finish(exchange, { "grpc-status": "5", "grpc-message": percent(token) });
      },
    });
    onTestFinished(() => server.close());
    const transport = createTransport({ baseUrl: `http://127.0.0.1:${server.port}`, token });
    const method = {
      ...ManagementService.method.deactivateUserGrant,
      methodKind: "server_streaming" as const,
    };
    const messages = (async function* () {
      yield { userId: "1", grantId: "2" };
    })();
    const read = async () => {
      const response = await transport.stream(
        method as never,
        undefined,
        undefined,
        undefined,
        messages,
      );
      for await (const _ of response.message) {
        // There is none.
      }
    };
    const error = await read().catch((reason) => reason);
    expect(error).toMatchObject({ code: Code.NotFound });
    expectNoSecret(shown(error), token);
  });
});

describe.each(["grpc", "grpc-web", "json"] as const)("over %s", (protocol) => {
  async function start(respond: (exchange: Exchange) => void) {
    const server = await (protocol === "grpc"
      ? startHttp2Wire({ respond })
      : startHttp1Wire(protocol, { respond }));
    onTestFinished(() => server.close());
    const connect = (source: unknown) => {
      const client = clients[protocol]({
        baseUrl: `http://127.0.0.1:${server.port}`,
        token: source,
      } as never);
      onTestFinished(() => close(client));
      return client.bulkRemoveUserGrant({ grantId: ["1"] }).catch((reason: unknown) => reason);
    };
    return connect;
  }
  const reject = (exchange: Exchange, echo: string) => {
    if (exchange.protocol === "json") {
      exchange.head({}, 401);
      exchange.body(JSON.stringify({ code: 16, message: echo }));
      exchange.end();
    } else {
      exchange.head();
      finish(exchange, { "grpc-status": "16", "grpc-message": percent(echo) });
    }
  };
  const second = "An0ther-t0ken/that+is-sent";

  it("a token appears nowhere that the server repeats after it was sent another one", async () => {
    const call = await start((exchange) => reject(exchange, `${token} ${second}`));
    const error = await call((request?: { refused?: string }) =>
      request?.refused === undefined ? token : second,
    );
    expect(error).toMatchObject({ code: Code.Unauthenticated });
    expect(String(error)).toContain("*** ***");
    expectNoSecret(shown(error), token);
    expectNoSecret(shown(error), second);
  });

  it("a token does not appear in the message of a source that failed to replace it", async () => {
    const call = await start((exchange) => reject(exchange, "no"));
    const reason = new Error(`cannot replace ${token}`);
    const error = await call((request?: { refused?: string }) => {
      if (request?.refused !== undefined) {
        throw reason;
      }
      return token;
    });
    expect(error).toMatchObject({ code: Code.Unauthenticated, cause: reason });
    expect((error as Error).message).toContain("cannot replace ***");
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
    const client = createJsonClient({ baseUrl: issuer, token: source });
    const error = await client.bulkRemoveUserGrant({ grantId: ["1"] }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ConnectError);
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
      socket.on("error", () => undefined);
      socket.once("data", (bytes) => {
        const [, sent = ""] = bytes.toString("latin1").split("Basic ");
        socket.end(respond(`${echoes(password)} ${sent.split("\r")[0]}`));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    vi.stubEnv("HTTPS_PROXY", `http://user:${encodeURIComponent(password)}@127.0.0.1:${port}`);
    onTestFinished(() => {
      vi.unstubAllEnvs();
      server.close();
    });
    const baseUrl = "https://zitadel.example";
    const native = createGrpcClient({ baseUrl, token });
    onTestFinished(() => close(native));
    const calls = [
      native.bulkRemoveUserGrant({ grantId: ["1"] }),
      createJsonClient({ baseUrl, token, fetch: createFetch() }).bulkRemoveUserGrant({
        grantId: ["1"],
      }),
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
    const client = createGrpcWebClient({
      baseUrl: "https://zitadel.example",
      token,
      fetch: (_, init) =>
        new Promise((_, reject) => {
          init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        }),
    });
    const controller = new AbortController();
    const reason = { mine: token };
    const call = client.bulkRemoveUserGrant({ grantId: ["1"] }, { signal: controller.signal });
    controller.abort(reason);
    const error = await call.catch((caught) => caught);
    expect(error).toMatchObject({ code: Code.Canceled });
    expect(error.cause).toBe(reason);
  });
});
