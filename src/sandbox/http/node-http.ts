import type { IncomingMessage, ServerResponse } from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { HttpRequest, HttpResponse } from "./http.js";

type Dispatch = (request: HttpRequest) => Promise<HttpResponse>;

/** Handles a request over HTTP/1.1. */
export async function handleHttp1(
  dispatch: Dispatch,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const controller = new AbortController();
  outgoing.on("close", () => controller.abort(new Error("the client has left")));
  const response = await orInternalError(
    dispatch({
      method: incoming.method ?? "",
      ...splitTarget(incoming.url ?? ""),
      httpVersion: 1,
      host: incoming.headers.host ?? "",
      headers: incoming.headersDistinct,
      body: unread(incoming),
      signal: controller.signal,
    }),
  );
  if (outgoing.destroyed) {
    return;
  }
  if (response.lost) {
    incoming.socket.resetAndDestroy();
    return;
  }
  const body = Buffer.from(response.body ?? "");
  if (response.streamed) {
    outgoing.sendDate = false;
  } else if (response.status !== 204) {
    outgoing.setHeader("content-length", body.byteLength);
  }
  // Go omits the header that states HTTP/1.1's default.
  outgoing.removeHeader("connection");
  outgoing.writeHead(response.status, response.headers as Record<string, string | string[]>);
  // Without this, a body that ends immediately would have a content-length instead of chunks.
  outgoing.flushHeaders();
  outgoing.end(body);
  // An unread body would block the connection for its next request.
  incoming.resume();
}

/** Handles a request over HTTP/2. */
export async function handleHttp2(
  dispatch: Dispatch,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
): Promise<void> {
  const controller = new AbortController();
  // A stream that its client resets ends with an error event; the signal notifies the handlers.
  stream.on("error", () => undefined);
  stream.on("close", () => controller.abort(new Error("the client has left")));
  const response = await orInternalError(
    dispatch({
      method: headers[":method"] ?? "",
      ...splitTarget(headers[":path"] ?? ""),
      httpVersion: 2,
      host: headers[":authority"] ?? headers.host ?? "",
      headers: distinct(rawHeaders),
      body: unread(stream),
      signal: controller.signal,
    }),
  );
  if (stream.destroyed || stream.closed) {
    return;
  }
  if (response.lost) {
    (stream.session?.socket as Socket | undefined)?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(response.body ?? "");
  const { trailers } = response;
  if (trailers !== undefined) {
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  }
  stream.respond(
    {
      ":status": response.status,
      ...(response.headers as Record<string, string | string[]>),
      ...(response.streamed || response.status === 204
        ? {}
        : { "content-length": String(body.byteLength) }),
    },
    { waitForTrailers: trailers !== undefined, sendDate: !response.streamed } as object,
  );
  stream.end(body);
  // Unread bytes would occupy flow-control window that other streams of the connection need.
  stream.resume();
}

/** Fields that come twice, as two values: Node joins them, and Go reads the first. */
function distinct(rawHeaders: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = Object.create(null);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    headers[name] ??= [];
    headers[name].push(rawHeaders[at + 1] ?? "");
  }
  return headers;
}

/** The chunks of a body. A route that stops reading must not abort the exchange. */
function unread(body: Readable): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => body.iterator({ destroyOnReturn: false }) };
}

function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf("?");
  return mark < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** A route that throws is a bug of the sandbox, unless the client has disconnected. */
async function orInternalError(response: Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    return await response;
  } catch (error) {
    return {
      status: 500,
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: `The sandbox failed: ${error instanceof Error ? error.stack : String(error)}\n`,
    };
  }
}
