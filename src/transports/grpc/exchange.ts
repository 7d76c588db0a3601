import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { type Observer, observe, sendGate } from "../../common/hooks.js";
import { causedBy, decided } from "../../errors/certainty.js";
import type { Attempt } from "../call/attempt.js";
import type { ExpiryListener } from "../call/call.js";
import type { Connection } from "./connection.js";
import { ResetCode, resetError } from "./failure.js";
import { type RequestHeaders, tooLargeForServer } from "./headers.js";
import type { ConnectionPool, Waiter } from "./pool.js";
import { type ReceivedResponse, type ResponseHeader, ResponseReader } from "./response.js";

/** What the unary calls of a transport share. */
export interface Exchanges {
  readonly pool: ConnectionPool;
  readonly headers: RequestHeaders;
  readonly readMaxBytes: number;
  readonly acceptCompression: readonly Compression[];
  readonly observer: Observer | undefined;
  /** Handles a response whose status is OK. */
  finish(attempt: Attempt, response: ReceivedResponse): UnaryResponse | Promise<UnaryResponse>;
}

/**
 * Sends one request and waits for its response. If the server provably did not process the request, it is
 * sent a second time, over whichever connection is available then.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws ConnectError with the status received, or the one that the protocol defines if there is none.
 */
export function exchange(
  shared: Exchanges,
  attempt: Attempt,
  body: Uint8Array,
): Promise<UnaryResponse> {
  return new Promise((resolve, reject) => {
    const begin = (fail: Failed) => new UnaryExchange(shared, attempt, body, resolve, fail).begin();
    begin((error, isUnprocessed) => (isUnprocessed ? begin(reject) : reject(error)));
  });
}

/** @param isUnprocessed whether no connection could be made, or the server did not process the request. */
type Failed = (error: unknown, isUnprocessed: boolean) => void;

class UnaryExchange implements Waiter, ExpiryListener {
  readonly #shared: Exchanges;
  readonly #attempt: Attempt;
  readonly #body: Uint8Array;
  readonly #resolve: (response: UnaryResponse | Promise<UnaryResponse>) => void;
  readonly #reject: Failed;
  #settled = false;
  #connection: Connection | undefined;
  #stream: ClientHttp2Stream | undefined;
  #startedAtMs = 0;
  readonly #reader: ResponseReader;
  /** What an observer sees of it. */
  #observed: PromiseWithResolvers<UnaryResponse> | undefined;
  /** Whether any byte of a response has arrived: the server has received the request. */
  #responding = false;
  /** Whether the server has sent everything. */
  #ended = false;
  #passed = false;

  constructor(
    shared: Exchanges,
    attempt: Attempt,
    body: Uint8Array,
    resolve: (response: UnaryResponse | Promise<UnaryResponse>) => void,
    reject: Failed,
  ) {
    this.#shared = shared;
    this.#attempt = attempt;
    this.#body = body;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#reader = new ResponseReader(shared);
  }

  begin(): void {
    this.#attempt.call.listen(this);
    if (!this.#settled) {
      this.#enqueue();
    }
  }

  start(connection: Connection): void {
    const { call, url, fields, contextValues } = this.#attempt;
    const ready = this.#passed ? undefined : contextValues.get(sendGate)?.();
    if (ready !== undefined) {
      this.#waitFor(ready);
      return;
    }
    const header = this.#shared.headers.list(url, fields, call.remainingMs());
    const problem = tooLargeForServer(header, connection.maxHeaderListBytes);
    if (problem !== undefined) {
      this.#fail(new ConnectError(problem, Code.InvalidArgument));
      return;
    }
    let stream: ClientHttp2Stream;
    try {
      stream = connection.request(header);
    } catch (reason) {
      // Node validates header blocks and throws before anything is sent.
      this.#fail(ConnectError.from(reason, Code.InvalidArgument));
      return;
    }
    call.onSent();
    this.#connection = connection;
    this.#stream = stream;
    this.#startedAtMs = connection.liveness.lastReadAtMs;
    listen(stream, this);
    stream.end(this.#body);
    if (this.#shared.observer !== undefined) {
      this.#observe(this.#shared.observer);
    }
  }

  #observe(observer: Observer): void {
    const { method, url, fields, message, call } = this.#attempt;
    const { secrets } = call;
    const header = new Headers(fields);
    this.#shared.headers.addTo(header, call.remainingMs());
    this.#observed = Promise.withResolvers();
    observe(observer({ method, url, header, secrets }), message, this.#observed.promise);
  }

  /** Without a place on the connection; another one may take its place meanwhile. */
  async #waitFor(ready: Promise<void>): Promise<void> {
    try {
      await ready;
    } catch (reason) {
      this.#fail(ConnectError.from(reason));
    }
    if (!this.#settled) {
      // It passes the gate again if it has to wait for a connection now.
      this.#passed = true;
      this.#enqueue();
      this.#passed = false;
    }
  }

  /** There is no connection. */
  fail(error: ConnectError): void {
    this.#fail(error, error.code === Code.Unavailable);
  }

  /** An informational response (1xx) has arrived. */
  onInformation(): void {
    this.#responding = true;
  }

  /** @param isLast whether nothing follows. */
  onResponse(header: ResponseHeader, isLast: boolean): void {
    this.#connection?.onRead();
    this.#responding = true;
    this.#ended = isLast;
    this.#settleWith(this.#reader.onHeader(header, isLast));
  }

  onData(chunk: Buffer): void {
    this.#connection?.onRead();
    this.#settleWith(this.#reader.onData(chunk));
  }

  onTrailers(trailer: IncomingHttpHeaders): void {
    this.#ended = true;
    this.#settleWith(this.#reader.onEnd(trailer));
  }

  /** No more data will arrive: the response is complete, or its connection is closed. */
  onEnd(stream: ClientHttp2Stream): void {
    // While the request has not been sent completely, no "close" follows a complete response.
    if (!this.#settled && !stream.closed && this.#connection?.session.destroyed === false) {
      this.#ended = true;
      this.#settleWith(this.#reader.onEnd(undefined));
    }
  }

  /** No more events will follow. */
  onClose(stream: ClientHttp2Stream): void {
    const connection = this.#connection;
    if (connection === undefined) {
      return;
    }
    if (!this.#settled) {
      if (!this.#responding && connection.refused(stream)) {
        const error =
          connection.reason?.() ??
          new ConnectError("the server refused the call", Code.Unavailable);
        this.#fail(decided(error, "rejected"), error.code === Code.Unavailable);
      } else {
        if (stream.rstCode === ResetCode.NO_ERROR && !connection.session.destroyed) {
          this.#settleWith(this.#reader.onEnd(undefined));
        }
        this.#fail(closeError(connection, stream));
      }
    }
    connection.release(this.#ended && stream.rstCode === ResetCode.NO_ERROR ? undefined : stream);
  }

  #enqueue(): void {
    const { pool } = this.#shared;
    this.#attempt.call.explain(pool.obstacle);
    pool.run(this);
  }

  onExpiry(error: ConnectError): void {
    if (this.#settled) {
      return;
    }
    this.#settle();
    if (this.#stream === undefined) {
      this.#shared.pool.leave(this);
    } else if (
      this.#connection !== undefined &&
      this.#connection.liveness.lastReadAtMs <= this.#startedAtMs
    ) {
      this.#connection.liveness.suspect();
    }
    this.#observed?.reject(error);
    this.#reject(error, false);
  }

  #settleWith(result: ReceivedResponse | ConnectError | undefined): void {
    if (result === undefined) {
      return;
    }
    if (result instanceof ConnectError) {
      this.#fail(result);
    } else if (!this.#settled) {
      this.#settle();
      const response = this.#finish(result);
      this.#observed?.resolve(response);
      this.#resolve(response);
    }
  }

  #finish(received: ReceivedResponse): UnaryResponse | Promise<UnaryResponse> {
    try {
      return this.#shared.finish(this.#attempt, received);
    } catch (reason) {
      return Promise.reject(this.#attempt.call.judge(reason));
    }
  }

  #fail(error: ConnectError, isUnprocessed = false): void {
    if (!this.#settled) {
      const { call } = this.#attempt;
      if (this.#stream !== undefined) {
        call.onFailed(error);
      }
      const judged = call.judge(error);
      this.#settle();
      this.#observed?.reject(judged);
      this.#reject(judged, isUnprocessed);
    }
  }

  #settle(): void {
    this.#settled = true;
    this.#attempt.call.leave(this);
    const stream = this.#stream;
    // Notifies the server, unless both sides are done.
    if (stream !== undefined && !(this.#ended && stream.writableFinished)) {
      stream.close(ResetCode.CANCEL);
    }
  }
}

/** Where a stream stores its exchange. A property, since six closures cost a tenth of a call. */
const exchangeOf = Symbol("exchange");

type Stream = ClientHttp2Stream & { [exchangeOf]?: UnaryExchange | undefined };

function listen(stream: Stream, exchange: UnaryExchange): void {
  stream[exchangeOf] = exchange;
  stream.on("headers", onInformation);
  stream.on("response", onResponse);
  stream.on("data", onData);
  stream.on("trailers", onTrailers);
  stream.on("end", onEnd);
  stream.on("close", onClose);
  stream.on("error", ignore); // "close" follows, with more information.
}

function onInformation(this: Stream): void {
  this[exchangeOf]?.onInformation();
}

/** On a HEADERS frame: nothing follows. https://www.rfc-editor.org/rfc/rfc9113#section-6.2 */
const endStreamFlag = 0x1;

function onResponse(this: Stream, header: ResponseHeader, flags: number): void {
  this[exchangeOf]?.onResponse(header, (flags & endStreamFlag) !== 0);
}

function onData(this: Stream, chunk: Buffer): void {
  this[exchangeOf]?.onData(chunk);
}

function onTrailers(this: Stream, trailer: IncomingHttpHeaders): void {
  this[exchangeOf]?.onTrailers(trailer);
}

function onEnd(this: Stream): void {
  this[exchangeOf]?.onEnd(this);
}

function onClose(this: Stream): void {
  const exchange = this[exchangeOf];
  // Node keeps closed streams for a while; objects that they refer to must not live as long.
  this[exchangeOf] = undefined;
  exchange?.onClose(this);
}

function ignore(): void {}

/** Why a call whose stream has closed has no status. */
function closeError(connection: Connection, stream: ClientHttp2Stream): ConnectError {
  if (connection.reason !== undefined) {
    return connection.reason();
  }
  if (connection.session.destroyed) {
    const message = "the connection was lost before the response came";
    return causedBy(stream.errored, message, Code.Unavailable);
  }
  const { rstCode } = stream;
  return rstCode === ResetCode.NO_ERROR
    ? new ConnectError("protocol error: the stream closed without a status", Code.Internal)
    : resetError(rstCode);
}
