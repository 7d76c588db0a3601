import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "./connections/connection.js";
import { codeFromReset, ResetCode, resetName } from "./connections/reset-codes.js";

export type ResponseHeader = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** Is notified of the events of a stream. */
export interface StreamListener {
  /** An informational response (1xx) has arrived. */
  onInformation(): void;
  /** @param isLast whether nothing follows. */
  onResponse(header: ResponseHeader, isLast: boolean): void;
  onData(chunk: Buffer): void;
  onTrailers(trailer: IncomingHttpHeaders): void;
  /** No more data will arrive: the response is complete, or its connection is closed. */
  onEnd(stream: ClientHttp2Stream): void;
  /** No more events will follow. */
  onClose(stream: ClientHttp2Stream): void;
}

/** Where a stream stores its listener. A property, since closures would be six more objects. */
const listenerOf = Symbol("listener");

type Stream = ClientHttp2Stream & { [listenerOf]?: StreamListener | undefined };

/** Subscribes the listener to all events. */
export function listen(stream: Stream, listener: StreamListener): void {
  stream[listenerOf] = listener;
  stream.on("headers", onInformation);
  stream.on("response", onResponse);
  stream.on("data", onData);
  stream.on("trailers", onTrailers);
  stream.on("end", onEnd);
  stream.on("close", onClose);
  stream.on("error", ignore); // "close" follows, with more information.
}

function onInformation(this: Stream): void {
  this[listenerOf]?.onInformation();
}

/** On a HEADERS frame: nothing follows. https://www.rfc-editor.org/rfc/rfc9113#section-6.2 */
const endStreamFlag = 0x1;

function onResponse(this: Stream, header: ResponseHeader, flags: number): void {
  this[listenerOf]?.onResponse(header, (flags & endStreamFlag) !== 0);
}

function onData(this: Stream, chunk: Buffer): void {
  this[listenerOf]?.onData(chunk);
}

function onTrailers(this: Stream, trailer: IncomingHttpHeaders): void {
  this[listenerOf]?.onTrailers(trailer);
}

function onEnd(this: Stream): void {
  this[listenerOf]?.onEnd(this);
}

function onClose(this: Stream): void {
  const listener = this[listenerOf];
  // Node keeps closed streams for a while; objects that they refer to must not live as long.
  this[listenerOf] = undefined;
  listener?.onClose(this);
}

function ignore(): void {}

/** Why a call whose stream has closed has no status. */
export function closeError(connection: Connection, stream: ClientHttp2Stream): ConnectError {
  if (connection.reason !== undefined) {
    return connection.reason();
  }
  if (connection.session.destroyed) {
    return new ConnectError(
      "the connection was lost before the response came; the server may have carried out the call",
      Code.Unavailable,
      undefined,
      undefined,
      stream.errored,
    );
  }
  const { rstCode } = stream;
  return rstCode === ResetCode.NO_ERROR
    ? new ConnectError("protocol error: the stream closed without a status", Code.Internal)
    : new ConnectError(
        `the stream was reset with HTTP/2 error code ${resetName(rstCode)}`,
        codeFromReset(rstCode),
      );
}
