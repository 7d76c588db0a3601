import type {
  ClientHttp2Stream,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
  OutgoingHttpHeaders,
} from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { markNotProcessed, notProcessed } from "../../errors/not-processed.js";
import type { Deadline } from "../call/deadline.js";
import { readStatus, type Status } from "../call/status.js";
import { unexpectedAnswer } from "../call/unexpected-response.js";
import type { Connection } from "./connections/connection.js";
import type { ConnectionPool, Waiter } from "./connections/pool.js";
import { codeFromReset, ResetCode, resetName } from "./connections/reset-codes.js";
import { MessageReader } from "./framing.js";
import { headerValue, webHeaders } from "./headers.js";
import { grpcTimeout } from "./timeout-header.js";

/** What came back when the status was OK. */
export interface UnaryAnswer {
  header: IncomingHttpHeaders;
  trailer: IncomingHttpHeaders;
  message: Uint8Array;
  /** How to unpack the message, if it has to be. */
  compression: Compression | undefined;
}

export interface UnaryAttempt {
  pool: ConnectionPool;
  deadline: Deadline;
  /** All but `grpc-timeout`. */
  header: OutgoingHttpHeaders;
  body: Buffer;
  readMaxBytes: number;
  acceptCompression: readonly Compression[];
}

/**
 * Sends one request and waits for its answer. If the server provably did not take the request, it is
 * sent once more, over whatever connection is there then.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws ConnectError with the status that came, and what the protocol has for the cases without one.
 */
export function exchange(attempt: UnaryAttempt): Promise<UnaryAnswer> {
  return new Promise((resolve, reject) => {
    new UnaryExchange(attempt, resolve, reject).begin();
  });
}

/** On a HEADERS frame: nothing follows. https://www.rfc-editor.org/rfc/rfc9113#section-6.2 */
const endStreamFlag = 0x1;

/** Where a stream has its exchange. A property, since listeners with closures would be five more objects. */
const exchangeOf = Symbol("exchange");

type Stream = ClientHttp2Stream & { [exchangeOf]?: UnaryExchange | undefined };

class UnaryExchange implements Waiter {
  readonly #attempt: UnaryAttempt;
  readonly #resolve: (answer: UnaryAnswer) => void;
  readonly #reject: (error: ConnectError) => void;
  #offExpiry: (() => void) | undefined;
  #settled = false;
  #repeated = false;
  #connection: Connection | undefined;
  #stream: Stream | undefined;
  #startedAtMs = 0;
  #response: IncomingHttpHeaders | undefined;
  #compression: Compression | undefined;
  #message: MessageReader;

  constructor(
    attempt: UnaryAttempt,
    resolve: (answer: UnaryAnswer) => void,
    reject: (error: ConnectError) => void,
  ) {
    this.#attempt = attempt;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#message = new MessageReader(attempt.readMaxBytes);
  }

  begin(): void {
    this.#offExpiry = this.#attempt.deadline.onExpiry(() => this.#onExpiry());
    if (!this.#settled) {
      this.#attempt.pool.run(this);
    }
  }

  start(connection: Connection): void {
    const { header, body, deadline } = this.#attempt;
    const remainingMs = deadline.remainingMs();
    if (remainingMs !== undefined) {
      // Now, since it may have waited for the connection, or been refused by another.
      header["grpc-timeout"] = grpcTimeout(remainingMs);
    }
    let stream: Stream;
    try {
      stream = connection.request(header);
    } catch (reason) {
      // Node checks what may stand in a header block and throws before anything is sent.
      this.fail(ConnectError.from(reason, Code.InvalidArgument));
      return;
    }
    this.#connection = connection;
    this.#stream = stream;
    this.#startedAtMs = connection.lastReadAtMs;
    stream[exchangeOf] = this;
    stream.on("response", onResponse);
    stream.on("data", onData);
    stream.on("trailers", onTrailers);
    stream.on("close", onClose);
    stream.on("error", ignore); // "close" follows, and tells more.
    stream.end(body);
  }

  fail(error: ConnectError): void {
    if (this.#settled) {
      return;
    }
    if (error.code === Code.Unavailable && notProcessed(error) && !this.#repeated) {
      // No connection could be made.
      this.#repeated = true;
      this.#attempt.pool.run(this);
    } else {
      this.#settle();
      this.#reject(error);
    }
  }

  onResponse(header: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
    this.#connection?.onRead();
    if (this.#settled) {
      return;
    }
    this.#response = header;
    const isLast = (flags & endStreamFlag) !== 0;
    if (!isGrpc(header)) {
      // Its first bytes may say who answered.
      if (isLast || this.#message.start !== undefined) {
        this.#unexpected(header);
      }
      return;
    }
    const encoding = headerValue(header, "grpc-encoding");
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
      this.#compression = this.#attempt.acceptCompression.find(({ name }) => name === encoding);
      if (this.#compression === undefined) {
        this.#protocolError(`unsupported response encoding "${encoding}"`, Code.Internal);
        return;
      }
    }
    if (isLast) {
      this.onEnd(undefined);
    } else if (this.#message.error !== undefined) {
      this.fail(this.#message.error);
    }
  }

  onData(chunk: Buffer): void {
    this.#connection?.onRead();
    if (this.#settled) {
      return;
    }
    this.#message.add(chunk);
    // Until the headers have been looked at, the body may be anything.
    if (this.#response === undefined) {
      return;
    }
    if (!isGrpc(this.#response)) {
      this.#unexpected(this.#response);
    } else if (this.#message.error !== undefined) {
      this.fail(this.#message.error);
    }
  }

  /** The answer is complete: trailers have come, or the stream has ended without any. */
  onEnd(trailer: IncomingHttpHeaders | undefined): void {
    const header = this.#response;
    if (this.#settled || header === undefined) {
      return;
    }
    if (!isGrpc(header)) {
      this.#unexpected(header);
      return;
    }
    const message = this.#message.finish();
    const isBodyless = message === undefined && this.#message.error === undefined;
    // A status in the headers counts only where nothing follows ("Trailers-Only").
    const { found, error } = statusOf(trailer ?? (isBodyless ? header : undefined));
    if (error !== undefined) {
      if (trailer !== undefined) {
        webHeaders(header).forEach((value, name) => {
          error.metadata.append(name, value);
        });
      }
      this.fail(error);
    } else if (this.#message.error !== undefined) {
      this.fail(this.#message.error);
    } else if (!found) {
      this.#protocolError("missing status", Code.Internal);
    } else if (message === undefined) {
      this.#protocolError(
        "missing output message for unary method",
        trailer === undefined ? Code.Unknown : Code.Unimplemented,
      );
    } else if (this.#message.compressed && this.#compression === undefined) {
      this.#protocolError("received compressed message without grpc-encoding", Code.Internal);
    } else {
      this.#settle();
      this.#resolve({
        header,
        trailer: trailer ?? {},
        message,
        compression: this.#message.compressed ? this.#compression : undefined,
      });
    }
  }

  onClose(stream: Stream): void {
    const connection = this.#connection;
    if (connection === undefined) {
      return;
    }
    // Node keeps closed streams for a while; what hangs on them shall not stay as long.
    stream[exchangeOf] = undefined;
    if (!this.#settled) {
      const error = this.#closeError(connection, stream);
      if (error !== undefined) {
        this.fail(error);
      } else if (!this.#repeated) {
        this.#repeated = true;
        this.#stream = undefined;
        this.#response = undefined;
        this.#message = new MessageReader(this.#attempt.readMaxBytes);
        connection.release();
        this.#attempt.pool.run(this);
        return;
      } else {
        this.fail(
          markNotProcessed(new ConnectError("the server refused the call twice", Code.Unavailable)),
        );
      }
    }
    connection.release();
  }

  /** Why the stream closed before there was a status; undefined when the server did not take the call. */
  #closeError(connection: Connection, stream: ClientHttp2Stream): ConnectError | undefined {
    if (connection.reason !== undefined) {
      return connection.reason();
    }
    if (connection.refused(stream)) {
      return undefined;
    }
    if (connection.session.destroyed) {
      return new ConnectError(
        "the connection was lost before the answer came; the server may have done the work all the same",
        Code.Unavailable,
        undefined,
        undefined,
        stream.errored,
      );
    }
    const { rstCode } = stream;
    if (rstCode === ResetCode.NO_ERROR) {
      this.onEnd(undefined);
      return new ConnectError("protocol error: the stream closed without a status", Code.Internal);
    }
    if (rstCode === ResetCode.CANCEL && this.#attempt.deadline.remainingMs() === 0) {
      return this.#attempt.deadline.exceeded();
    }
    return new ConnectError(
      `the stream was reset with HTTP/2 error code ${resetName(rstCode)}`,
      codeFromReset(rstCode),
    );
  }

  #onExpiry(): void {
    if (this.#settled) {
      return;
    }
    this.#settle();
    if (this.#stream === undefined) {
      this.#attempt.pool.leave(this);
    } else if (
      this.#connection !== undefined &&
      this.#connection.lastReadAtMs <= this.#startedAtMs
    ) {
      this.#connection.suspect();
    }
  }

  #unexpected(header: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    this.fail(
      unexpectedAnswer({
        status: header[":status"] ?? 0,
        headers: webHeaders(header),
        body: this.#message.start?.toString() ?? "",
        expected: "gRPC",
        alternative: "; zitadel-user-grants/grpc-web and zitadel-user-grants/json pass most",
        authorization: authorizationOf(this.#attempt.header),
      }),
    );
  }

  #protocolError(what: string, code: Code): void {
    this.fail(new ConnectError(`protocol error: ${what}`, code, webHeaders(this.#response)));
  }

  #settle(): void {
    this.#settled = true;
    this.#offExpiry?.();
    // Tells the server, unless both sides are through.
    this.#stream?.close(ResetCode.CANCEL);
  }
}

/**
 * Whether an answer follows the protocol. With a gRPC status it does, whatever its HTTP status is: the
 * mapping of HTTP statuses is only for answers that have none.
 */
function isGrpc(header: IncomingHttpHeaders & IncomingHttpStatusHeader): boolean {
  const isOk = header[":status"] === 200 || header["grpc-status"] !== undefined;
  return isOk && contentTypes.test(header["content-type"] ?? "");
}

/** As in every answer that went well, without making more of it. */
const ok: Status = { found: true, error: undefined };

function statusOf(fields: IncomingHttpHeaders | undefined): Status {
  if (fields?.["grpc-status"] === "0" && fields["grpc-status-details-bin"] === undefined) {
    return ok;
  }
  return readStatus(webHeaders(fields));
}

function authorizationOf(header: OutgoingHttpHeaders): string | null {
  const { authorization } = header;
  return typeof authorization === "string" ? authorization : null;
}

const contentTypes = /^application\/grpc(?:\+(?:(json)(?:; ?charset=utf-?8)?|proto))?$/i;

function onResponse(
  this: Stream,
  header: IncomingHttpHeaders & IncomingHttpStatusHeader,
  flags: number,
): void {
  this[exchangeOf]?.onResponse(header, flags);
}

function onData(this: Stream, chunk: Buffer): void {
  this[exchangeOf]?.onData(chunk);
}

function onTrailers(this: Stream, trailer: IncomingHttpHeaders): void {
  this[exchangeOf]?.onEnd(trailer);
}

function onClose(this: Stream): void {
  this[exchangeOf]?.onClose(this);
}

function ignore(): void {}
