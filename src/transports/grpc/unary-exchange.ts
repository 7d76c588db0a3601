import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import type { Turn } from "../../common/send-gate.js";
import { markNotProcessed, notProcessed } from "../../errors/not-processed.js";
import type { ExpiryListener } from "../call/deadline.js";
import type { Connection } from "./connections/connection.js";
import { ResetCode } from "./connections/reset-codes.js";
import type { Waiter } from "./connections/waiter.js";
import { setTimeoutHeader, tooLargeForNode, tooLargeForServer } from "./header-list.js";
import { closeError, listen, type ResponseHeader, type StreamListener } from "./stream-events.js";
import { grpcTimeout } from "./timeout-header.js";
import type { MaybePromise, UnaryAttempt } from "./unary-attempt.js";
import { type UnaryGrpcResponse, UnaryResponseReader } from "./unary-response.js";

/**
 * Sends one request and waits for its response. If the server provably did not process the request, it is
 * sent a second time, over whichever connection is available then.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws ConnectError with the status received, or the one that the protocol defines if there is none.
 */
export function exchange<I extends DescMessage, O extends DescMessage>(
  attempt: UnaryAttempt<I, O>,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    new UnaryExchange(attempt, resolve, reject).begin();
  });
}

class UnaryExchange<I extends DescMessage, O extends DescMessage>
  implements Waiter, StreamListener, ExpiryListener
{
  readonly #attempt: UnaryAttempt<I, O>;
  readonly #resolve: (response: MaybePromise<UnaryResponse<I, O>>) => void;
  readonly #reject: (error: unknown) => void;
  #settled = false;
  #retried = false;
  #connection: Connection | undefined;
  #stream: ClientHttp2Stream | undefined;
  #startedAtMs = 0;
  #reader: UnaryResponseReader;
  /** Whether any byte of a response has arrived: the server has received the request. */
  #responding = false;
  /** Whether the server has sent everything. */
  #ended = false;
  /** Whether a request was sent of which it is not known that it was not applied. */
  #isOpen = false;
  #turn: Turn | undefined;
  #passed = false;

  constructor(
    attempt: UnaryAttempt<I, O>,
    resolve: (response: MaybePromise<UnaryResponse<I, O>>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#attempt = attempt;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#reader = new UnaryResponseReader(attempt.shared);
  }

  begin(): void {
    this.#attempt.deadline.listen(this);
    if (!this.#settled) {
      this.#enqueue();
    }
  }

  start(connection: Connection): void {
    const { header, body, deadline } = this.#attempt;
    const turn = this.#passed ? undefined : this.#attempt.gate?.();
    if (turn !== undefined) {
      this.#waitFor(turn);
      return;
    }
    const remainingMs = deadline.remainingMs();
    // Computed now, since it may have waited for the connection, or was refused on another one.
    setTimeoutHeader(header, remainingMs === undefined ? undefined : grpcTimeout(remainingMs));
    const problem = tooLargeForServer(header, connection.maxHeaderListBytes);
    if (problem !== undefined) {
      this.#fail(markNotProcessed(new ConnectError(problem, Code.InvalidArgument)));
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
    deadline.call.onSent();
    this.#isOpen = true;
    this.#connection = connection;
    this.#stream = stream;
    this.#startedAtMs = connection.lastReadAtMs;
    listen(stream, this);
    stream.end(body);
  }

  /** Without a place on the connection; another one may take its place meanwhile. */
  async #waitFor(turn: Turn): Promise<void> {
    this.#turn = turn;
    try {
      await turn.ready;
    } catch (reason) {
      this.#fail(ConnectError.from(reason));
    }
    this.#turn = undefined;
    if (!this.#settled) {
      // It passes the gate again if it has to wait for a connection now.
      this.#passed = true;
      this.#enqueue();
      this.#passed = false;
    }
  }

  fail(error: ConnectError): void {
    if (!this.#settled && error.code === Code.Unavailable && !this.#retried) {
      // No connection could be made.
      this.#retried = true;
      this.#enqueue();
    } else {
      this.#fail(error);
    }
  }

  onInformation(): void {
    this.#responding = true;
  }

  onResponse(header: ResponseHeader, isLast: boolean): void {
    this.#connection?.onRead();
    this.#responding = true;
    this.#ended = isLast;
    if (!this.#settled) {
      this.#settleWith(this.#reader.onHeader(header, isLast));
    }
  }

  onData(chunk: Buffer): void {
    this.#connection?.onRead();
    if (!this.#settled) {
      this.#settleWith(this.#reader.onData(chunk));
    }
  }

  onTrailers(trailer: IncomingHttpHeaders): void {
    this.#ended = true;
    if (!this.#settled) {
      this.#settleWith(this.#reader.onEnd(trailer));
    }
  }

  /** No more data will arrive: the response is complete, or its connection is closed. */
  onEnd(stream: ClientHttp2Stream): void {
    // While the request has not been sent completely, no "close" follows a complete response.
    if (!this.#settled && !stream.closed && this.#connection?.session.destroyed === false) {
      this.#ended = true;
      this.#settleWith(this.#reader.onEnd(undefined));
    }
  }

  onClose(stream: ClientHttp2Stream): void {
    const connection = this.#connection;
    if (connection === undefined) {
      return;
    }
    if (!this.#settled) {
      if (!this.#responding && connection.refused(stream)) {
        this.#onRefused(connection);
      } else {
        if (stream.rstCode === ResetCode.NO_ERROR && !connection.session.destroyed) {
          this.#settleWith(this.#reader.onEnd(undefined));
        }
        this.#fail(closeError(connection, stream));
      }
    }
    connection.release(this.#ended && stream.rstCode === ResetCode.NO_ERROR ? undefined : stream);
  }

  /** The server did not process this request. */
  #onRefused(connection: Connection): void {
    const { deadline, header } = this.#attempt;
    deadline.call.inDoubt -= 1;
    this.#isOpen = false;
    const problem = tooLargeForNode(header);
    if (connection.reason !== undefined) {
      this.#fail(markNotProcessed(connection.reason()));
    } else if (problem !== undefined) {
      this.#fail(markNotProcessed(new ConnectError(problem, Code.InvalidArgument)));
    } else if (this.#retried) {
      this.#fail(
        markNotProcessed(
          new ConnectError("the server refused the call twice; nothing was done", Code.Unavailable),
        ),
      );
    } else {
      this.#retried = true;
      this.#stream = undefined;
      this.#reader = new UnaryResponseReader(this.#attempt.shared);
      this.#enqueue();
    }
  }

  #enqueue(): void {
    const { shared, deadline } = this.#attempt;
    const { pool } = shared;
    deadline.call.obstacle = pool.obstacle;
    pool.run(this);
  }

  onExpiry(error: ConnectError): void {
    if (this.#settled) {
      return;
    }
    this.#settle();
    if (this.#stream === undefined) {
      this.#attempt.shared.pool.leave(this);
    } else if (
      this.#connection !== undefined &&
      this.#connection.lastReadAtMs <= this.#startedAtMs
    ) {
      this.#connection.suspect();
    }
    this.#reject(error);
  }

  #settleWith(result: UnaryGrpcResponse | ConnectError | undefined): void {
    if (result instanceof ConnectError) {
      this.#fail(result);
    } else if (result !== undefined) {
      this.#settle();
      try {
        const { shared, method, deadline } = this.#attempt;
        this.#resolve(shared.finish(method, result, deadline));
      } catch (reason) {
        this.#reject(this.#attempt.deadline.judge(reason));
      }
    }
  }

  #fail(error: ConnectError): void {
    if (!this.#settled) {
      if (this.#isOpen && notProcessed(error)) {
        this.#attempt.deadline.call.inDoubt -= 1;
      }
      const judged = this.#attempt.deadline.judge(error);
      this.#settle();
      this.#reject(judged);
    }
  }

  #settle(): void {
    this.#settled = true;
    this.#turn?.cancel();
    this.#attempt.deadline.leave(this);
    const stream = this.#stream;
    // Notifies the server, unless both sides are done.
    if (stream !== undefined && !(this.#ended && stream.writableFinished)) {
      stream.close(ResetCode.CANCEL);
    }
  }
}
