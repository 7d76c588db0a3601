import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Environment } from "../../../common/environment.js";
import { neverSent } from "../../../errors/failure.js";
import { forNode, type HeaderList } from "../headers.js";
import { connectFailure } from "./connect-failure.js";
import type { ConnectionOptions, ConnectionOwner } from "./connection-owner.js";
import { IdleTimer } from "./idle-timer.js";
import { Liveness } from "./liveness.js";
import { requestOptions } from "./own-options.js";
import { ResetCode } from "./reset-codes.js";
import { Session } from "./session.js";

/** HTTP/2 has 2^30 stream ids for a client; before they run out, calls go to a new connection. */
const lastStreamId = 2 ** 31 - 10_000;

/**
 * One HTTP/2 connection:
 *
 * - `connecting`: until the server's SETTINGS have arrived. Waiting for them (as gRPC's own clients do) costs
 *   part of a round trip once, and a call that waits provably was not processed;
 * - `open`: accepts calls;
 * - `verifying`: a PING must be acknowledged before it accepts more calls, because it was silent for a while;
 * - `draining`: completes its calls and accepts no more;
 * - `closed`.
 */
export class Connection {
  state: "connecting" | "open" | "verifying" | "draining" | "closed" = "connecting";
  /** Why this side closed it. */
  reason: (() => ConnectError) | undefined;
  /** The largest header list that the server accepts, in bytes as HTTP/2 counts them. */
  maxHeaderListBytes = Number.POSITIVE_INFINITY;
  /** Whether a response has arrived on it. */
  served = false;
  /** Whether its end has been recorded, or is not a failure. */
  isAccounted = false;
  readonly startedAtMs: number;
  readonly session: ClientHttp2Session;

  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner<Connection>;
  readonly #session: Session;
  readonly #liveness: Liveness;
  readonly #idleTimer: IdleTimer;
  #streams = 0;
  #maxStreams = 0;
  #goawayLastStreamId = Number.POSITIVE_INFINITY;

  constructor(
    options: ConnectionOptions,
    owner: ConnectionOwner<Connection>,
    environment: Environment,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.startedAtMs = environment.monotonicMs();
    this.#session = new Session(options, environment, () => this.#end(ResetCode.CANCEL));
    this.session = this.#session.http2;
    this.#liveness = new Liveness(this.session, options, environment, () =>
      this.destroy(() => lost(options)),
    );
    this.#idleTimer = new IdleTimer(options.idleConnectionTimeoutMs, environment, () => {
      if (this.#streams === 0 && this.state !== "verifying") {
        this.discard();
      }
    });
    this.#listen();
  }

  /** Whether a call could start on it now, provided it is alive. */
  get hasRoom(): boolean {
    return (
      this.state === "open" &&
      this.#streams < this.#maxStreams &&
      !this.session.closed &&
      !this.session.destroyed
    );
  }

  /** Whether the server allows no streams for now. */
  get isPaused(): boolean {
    return this.state === "open" && this.#maxStreams === 0;
  }

  /** Whether it must be verified before the next call. */
  get isDoubtful(): boolean {
    return this.#liveness.isDoubtful;
  }

  /** When the last byte arrived. */
  get lastReadAtMs(): number {
    return this.#liveness.lastReadAtMs;
  }

  /** Verifies that it is alive; the result is `onRoom` or `onClosed`. */
  verify(): void {
    this.state = "verifying";
    this.#liveness.ask(() => this.#onAlive());
  }

  /** Opens a stream. `release` must be called when it has closed. */
  request(header: HeaderList): ClientHttp2Stream {
    const stream = this.session.request(forNode(header), requestOptions);
    this.#streams += 1;
    if (this.#streams === 1) {
      this.#session.keepProgram(true);
      this.#liveness.watch(this.#hasCalls);
    }
    if (stream.id !== undefined && stream.id > lastStreamId) {
      this.#drain();
    }
    return stream;
  }

  /** @param broken the stream, if it has closed without a complete response. */
  release(broken?: ClientHttp2Stream): void {
    if (broken !== undefined) {
      this.#session.onBrokenStream(broken);
    }
    this.#streams -= 1;
    if (this.#streams === 0) {
      this.#session.keepProgram(false);
      if (this.state === "draining") {
        this.#end(ResetCode.NO_ERROR);
        return;
      }
      if (this.state !== "closed") {
        this.#idleTimer.start();
      }
    }
    if (this.state === "open") {
      this.#owner.onReleased(this);
    }
  }

  /** Records that bytes of a response arrived. */
  onRead(): void {
    this.#liveness.onRead();
    if (!this.served) {
      this.served = true;
      this.#owner.onServed(this);
    }
  }

  /** Records that a call received no byte: the connection is verified before the next call. */
  suspect(): void {
    this.#liveness.suspect();
  }

  /** Whether the server provably did not process this stream. */
  refused(stream: ClientHttp2Stream): boolean {
    return (
      stream.rstCode === ResetCode.REFUSED_STREAM ||
      (stream.id !== undefined && stream.id > this.#goawayLastStreamId) ||
      // With TLS 1.3 a server rejects a client certificate when the session stands already.
      (!this.served && neverSent(this.#session.error))
    );
  }

  /** Closes the connection and every stream on it at once. */
  destroy(reason: () => ConnectError): void {
    this.reason ??= reason;
    this.#end(ResetCode.CANCEL);
  }

  /** Closes an unused connection. */
  discard(): void {
    this.isAccounted = true;
    this.#end(ResetCode.NO_ERROR);
  }

  readonly #hasCalls = () => this.#streams > 0;

  #listen(): void {
    const { session } = this;
    session.on("close", () => this.#onClosed());
    session.on("goaway", (code, streamId, data) => this.#onGoaway(code, streamId, data));
    session.on("remoteSettings", (settings) => {
      this.#maxStreams = settings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
      this.maxHeaderListBytes = settings.maxHeaderListSize ?? Number.POSITIVE_INFINITY;
      if (this.state === "connecting") {
        this.#session.stopConnectTimer();
        this.#idleTimer.start();
        this.#onAlive();
      } else {
        this.#owner.onRoom(this);
      }
    });
  }

  #onAlive(): void {
    if (this.state !== "connecting" && this.state !== "verifying") {
      return;
    }
    this.state = "open";
    this.#liveness.onRead();
    if (this.#streams === 0) {
      this.#session.keepProgram(false);
    }
    if (this.#options.pingIdleConnection) {
      this.#liveness.watch(this.#hasCalls);
    }
    this.#owner.onRoom(this);
  }

  #onGoaway(code: number, streamId: number, data: Buffer | undefined): void {
    this.#goawayLastStreamId = streamId;
    if (code === ResetCode.ENHANCE_YOUR_CALM && data?.toString() === "too_many_pings") {
      this.#owner.onTooManyPings();
    }
    this.#drain();
    if (this.#streams === 0) {
      this.#end(ResetCode.NO_ERROR);
    }
  }

  #drain(): void {
    if (this.state !== "closed" && this.state !== "draining") {
      this.state = "draining";
      this.#owner.onDraining(this);
    }
  }

  #end(code: number): void {
    this.#onClosed();
    this.session.destroy(undefined, code);
  }

  #onClosed(): void {
    if (this.state === "closed") {
      return;
    }
    const wasConnecting = this.state === "connecting";
    this.state = "closed";
    this.#session.stopConnectTimer();
    this.#idleTimer.stop();
    this.#liveness.stop();
    const failure = wasConnecting
      ? connectFailure(this.#options.origin, this.#session.error)
      : undefined;
    this.#owner.onClosed(this, failure);
  }
}

function lost({ origin, pingTimeoutMs }: ConnectionOptions): ConnectError {
  return new ConnectError(
    `the connection to ${origin} was lost: no response to a PING within ${pingTimeoutMs} ms`,
    Code.Unavailable,
  );
}
