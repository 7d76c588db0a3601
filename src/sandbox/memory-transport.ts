import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { effectiveTimeoutMs } from "../transports/call/call.js";
import type { HttpRequest, HttpResponse } from "./http/http.js";

/**
 * A transport that uses gRPC with the sandbox in memory: everything is serialized, framed and parsed as on a
 * connection.
 */
export function createMemoryTransport(
  host: string,
  interceptor: Interceptor,
  dispatch: (request: HttpRequest) => Promise<HttpResponse>,
  closed: AbortSignal,
): Transport {
  const httpClient: UniversalClientFn = async ({ url, method, header, body, signal }) => {
    closed.throwIfAborted();
    const { pathname, search } = new URL(url);
    const ended = signal === undefined ? closed : AbortSignal.any([closed, signal]);
    const response = await orAborted(
      dispatch({
        method,
        path: pathname,
        query: search.slice(1),
        httpVersion: 2,
        host,
        headers: Object.fromEntries(header),
        body: body ?? emptyBody(),
        signal: ended,
      }),
      ended,
    );
    if (response.lost) {
      throw new ConnectError("the connection was reset", Code.Unavailable);
    }
    return {
      status: response.status,
      header: toHeaders(response.headers),
      body: bodyOf(response),
      trailer: toHeaders(response.trailers ?? {}),
    };
  };
  const transport = createTransport({
    httpClient,
    baseUrl: `http://${host}`,
    useBinaryFormat: true,
    interceptors: [interceptor],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
  });
  // The header has a resolution of one millisecond.
  const wholeMs = (timeoutMs: number | undefined) => {
    const limitMs = effectiveTimeoutMs(timeoutMs, undefined);
    return limitMs === undefined ? undefined : Math.ceil(limitMs);
  };
  return {
    unary: async (method, signal, timeoutMs, ...rest) =>
      await transport.unary(method, signal, wholeMs(timeoutMs), ...rest),
    stream: async (method, signal, timeoutMs, ...rest) =>
      await transport.stream(method, signal, wholeMs(timeoutMs), ...rest),
  };
}

/**
 * Adds the token and the organization to a call that lacks them. An empty organization means no organization.
 */
export function defaultsInterceptor(token: string, orgId: string): Interceptor {
  return (next) => (request) => {
    if (!request.header.has("authorization")) {
      request.header.set("authorization", `Bearer ${token}`);
    }
    const given = request.header.get("x-zitadel-orgid");
    if (given === null) {
      request.header.set("x-zitadel-orgid", orgId);
    } else if (given === "") {
      request.header.delete("x-zitadel-orgid");
    }
    return next(request);
  };
}

async function* emptyBody(): AsyncIterable<Uint8Array> {}

async function* bodyOf(response: HttpResponse): AsyncIterable<Uint8Array> {
  if (response.body !== undefined) {
    yield Buffer.from(response.body);
  }
}

function toHeaders(headers: HttpResponse["headers"]): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const single of typeof value === "string" ? [value] : value) {
      result.append(name, single);
    }
  }
  return result;
}

/** The response, or the signal's reason as soon as it is aborted. */
function orAborted<T>(response: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    response.finally(() => signal.removeEventListener("abort", onAbort)).then(resolve, reject);
    if (signal.aborted) {
      onAbort();
    }
  });
}
