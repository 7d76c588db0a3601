import type { DescMethodStreaming } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type GrpcOptions, mayHaveBeenApplied } from "../../src/grpc.js";
import { ConformanceService } from "../conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { startHttpServer } from "../support/http-server.js";
import { createTransport, failureOf, protocols } from "../support/protocols.js";
import { openStream, startRouter } from "../support/stream-server.js";

type Handler = (context: HandlerContext) => AsyncIterable<object>;

/** A server of another service; it gives each call a header and a trailer. */
function startServer(protocol: "grpc" | "grpc-web", serverStream: Handler): Promise<string> {
  return startRouter(protocol, {
    async *serverStream(_, context) {
      context.responseHeader.set("x-early", "1");
      context.responseTrailer.set("x-late", "2");
      yield* serverStream(context);
    },
  });
}

function connect(
  protocol: "grpc" | "grpc-web",
  options: Pick<GrpcOptions, "baseUrl" | "token" | "orgId" | "instanceHost" | "interceptors">,
) {
  return createClient(ConformanceService, createTransport(protocol, options));
}

async function* three(): AsyncGenerator<object> {
  yield* [{}, {}, {}];
}

/** Says when the server's side of the call has ended. */
function endless(): { handler: Handler; ended: Promise<void> } {
  let end: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    ended,
    async *handler(context) {
      context.signal.addEventListener("abort", () => end());
      yield {};
      await ended;
    },
  };
}

describe.each(["grpc", "grpc-web"] as const)("a server-streaming method over %s", (protocol) => {
  it("passes on messages, headers and trailers, through interceptors that copy what they pass on", async () => {
    const baseUrl = await startServer(protocol, three);
    let counted = 0;
    const seen: string[] = [];
    async function* count<T>(messages: AsyncIterable<T>) {
      for await (const message of messages) {
        counted++;
        yield message;
      }
    }
    // As Connect's documentation shows it.
    const counter: Interceptor = (next) => async (request) => {
      const response = await next(
        request.stream ? { ...request, message: count(request.message) } : request,
      );
      seen.push(...request.header.keys());
      return response.stream ? { ...response, message: count(response.message) } : response;
    };
    const client = connect(protocol, { baseUrl, token: () => "t-1", interceptors: [counter] });
    let early: string | null = null;
    let late: string | null = null;
    let received = 0;
    const messages = client.serverStream(
      {},
      {
        onHeader: (header) => {
          early = header.get("x-early");
        },
        onTrailer: (trailer) => {
          late = trailer.get("x-late");
        },
      },
    );
    for await (const _ of messages) {
      received++;
    }
    expect([received, counted, early, late]).toEqual([3, 4, "1", "2"]);
    expect(seen).not.toContain("authorization");
  });

  it("carries token, organization and instance, unless the call has its own", async () => {
    const sent: (string | null)[][] = [];
    const baseUrl = await startServer(protocol, async function* ({ requestHeader }) {
      const names = ["authorization", "x-zitadel-orgid", "x-zitadel-instance-host"];
      sent.push(names.map((name) => requestHeader.get(name)));
      yield {};
    });
    const options = { baseUrl, token: "t-1", orgId: "4711", instanceHost: "example.zitadel.cloud" };
    const client = connect(protocol, options);
    for await (const _ of client.serverStream({}));
    const headers = { "x-zitadel-orgid": "", authorization: "Bearer own" };
    for await (const _ of client.serverStream({}, { headers }));
    expect(sent).toEqual([
      ["Bearer t-1", "4711", "example.zitadel.cloud"],
      ["Bearer own", null, "example.zitadel.cloud"],
    ]);
  });

  it("stays done once it is done", async () => {
    const transport = createTransport(protocol, { baseUrl: await startServer(protocol, three) });
    const messages = (await openStream(transport)).message[Symbol.asyncIterator]();
    const ends: (boolean | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      ends.push((await messages.next()).done);
    }
    expect(ends).toEqual([false, false, false, true, true]);
  });

  it("is not retried when its token is rejected: the source is notified at the next call", async () => {
    const tokens: (string | null)[] = [];
    const baseUrl = await startServer(protocol, async function* (context) {
      tokens.push(context.requestHeader.get("authorization"));
      yield {};
      if (tokens.length === 1) {
        throw new ConnectError("Errors.Token.Invalid", Code.Unauthenticated);
      }
    });
    const asked: (string | undefined)[] = [];
    const client = connect(protocol, {
      baseUrl,
      token: (request) => {
        asked.push(request?.refused);
        return `t-${asked.length}`;
      },
    });
    const drain = async () => {
      for await (const _ of client.serverStream({}));
    };
    await expect(drain()).rejects.toMatchObject({ code: Code.Unauthenticated });
    await drain();
    await drain();
    expect(tokens).toEqual(["Bearer t-1", "Bearer t-2", "Bearer t-3"]);
    expect(asked).toEqual([undefined, "t-1", undefined]);
  });

  it("is closed on both sides when its consumer stops", async () => {
    const { handler, ended } = endless();
    const baseUrl = await startServer(protocol, handler);
    // Without Connect's client, which tells no transport that its reader has stopped.
    const { message } = await openStream(createTransport(protocol, { baseUrl }));
    for await (const _ of message) {
      break;
    }
    await ended;
  });

  it("is closed on both sides when its caller aborts, with the caller's reason", async () => {
    const { handler, ended } = endless();
    const client = connect(protocol, { baseUrl: await startServer(protocol, handler) });
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    const read = async () => {
      for await (const _ of client.serverStream({}, { signal: controller.signal })) {
        controller.abort(reason);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Canceled, cause: reason });
    await ended;
  });

  it("settles at its deadline", async () => {
    const { handler, ended } = endless();
    const client = connect(protocol, { baseUrl: await startServer(protocol, handler) });
    const read = async () => {
      for await (const _ of client.serverStream({}, { timeoutMs: 100 }));
    };
    await expect(read()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    await ended;
  });
});

describe("a stream over gRPC-web", () => {
  it("sends no grpc-timeout, not even one of the caller's", async () => {
    const sent: string[] = [];
    const seen: string[] = [];
    const baseUrl = await startServer("grpc-web", async function* (context) {
      sent.push(...context.requestHeader.keys());
      yield {};
    });
    const look: Interceptor = (next) => (request) => {
      seen.push(...request.header.keys());
      return next(request);
    };
    const client = connect("grpc-web", { baseUrl, interceptors: [look] });
    for await (const _ of client.serverStream({}, { timeoutMs: 4_000 }));
    expect(seen).not.toContain("grpc-timeout");
    const headers = { "grpc-timeout": "1S" };
    for await (const _ of client.serverStream({}, { headers }));
    expect(sent).toContain("content-type");
    expect(sent).not.toContain("grpc-timeout");
  });

  it("fails with ResourceExhausted at a message beyond readMaxBytes", async () => {
    const baseUrl = await startServer("grpc-web", async function* () {
      yield { payload: { data: new Uint8Array(100) } };
    });
    const { message } = await openStream(
      createTransport("grpc-web", { baseUrl, readMaxBytes: 64 }),
    );
    await expect(message[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  it("follows no redirect with its token", async () => {
    const { baseUrl } = await startHttpServer((_, response) => {
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    });
    const transport = createTransport("grpc-web", { baseUrl, token: "secret" });
    expect((await failureOf(openStream(transport))).message).toContain("redirect");
  });

  it("reports a response that is not ZITADEL's", async () => {
    const { baseUrl } = await startHttpServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<title>Log in</title>");
    });
    const call = openStream(createTransport("grpc-web", { baseUrl }));
    expect((await failureOf(call)).message).toContain("Log in");
  });
});

it.each(protocols)(
  "a stream over %s that is rejected before it is sent was never sent",
  async (protocol) => {
    const transport = createTransport(protocol, { baseUrl: "http://127.0.0.1:1" });
    const { serverStream, clientStream } = ConformanceService.method;
    const open = (method: DescMethodStreaming, timeoutMs: number, headers: HeadersInit = {}) =>
      transport.stream(method, undefined, timeoutMs, headers, (async function* () {})());
    for (const call of [
      open(serverStream, Number.NaN),
      open(serverStream, 1, { "x a": "1" }),
      open(clientStream, Number.NaN),
    ]) {
      expect(mayHaveBeenApplied(await failureOf(call))).toBe(false);
    }
  },
);

it("a client-streaming method over gRPC-web is rejected with the entry that supports it", async () => {
  const client = connect("grpc-web", { baseUrl: "http://127.0.0.1:1" });
  await expect(client.clientStream(three())).rejects.toMatchObject({
    code: Code.Unimplemented,
    rawMessage: expect.stringMatching(/use zitadel-user-grants\/grpc; nothing was sent$/),
  });
});
