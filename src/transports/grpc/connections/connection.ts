import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { connect } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeConnectOptions } from "../../../options/node-connect.js";
import { connectFailure } from "./connect-failure.js";
import { ResetCode } from "./reset-codes.js";
import { sessionOptions } from "./session-options.js";
import { startTimer } from "./timer.js";
import type { Tunnel } from "./tunnel.js";

/** After this long without a byte from the server, a connection proves that it is alive before reuse. */
const verifyAfterMs = 30_000;

/** HTTP/2 has 2^30 stream ids for a client; near the end calls go to a new connection. */
const lastStreamId = 2 ** 31 - 10_000;

export interface ConnectionOptions {
  /** Scheme, host and port. */
  origin: string;
  nodeOptions: NodeConnectOptions | undefined;
  connectTimeoutMs: number;
  pingIntervalMs: number;
  pingIdleConnection: boolean;
  pingTimeoutMs: number;
  idleConnectionTimeoutMs: number;
}

/** Who is told what becomes of a connection. */
export interface ConnectionOwner {
  /** It may take calls: it is open, it is proven alive, or a stream of it has closed. */
  onRoom(connection: Connection): void;
  /** It takes no more calls. */
  onDraining(connection: Connection): void;
  /** It is gone; with an error when it never came to be. */
  onClosed(connection: Connection, failure: (() => ConnectError) | undefined): void;
}

/**
 * One HTTP/2 connection:
 *
 * - `connecting`: until the server's SETTINGS have come. Waiting for them (as gRPC's own clients do)
 *   costs part of a round trip once, and a call that waits provably was not processed;
 * - `open`: takes calls;
 * - `verifying`: a PING has to be answered before it takes more calls, because nothing came for a while;
 * - `draining`: ends its calls and takes no more;
 * - `closed`.
 */
export class Connection {
  state: "connecting" | "open" | "verifying" | "draining" | "closed" = "connecting";
  /** Why this side ended it. */
  reason: (() => ConnectError) | undefined;
  /** When a byte last came. */
  lastReadAtMs = performance.now();
  readonly session: ClientHttp2Session;

  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner;
  /** What the session cannot tell to keep the program alive, or not. */
  #tunnel: Tunnel | undefined;
  readonly #connectTimer: ReturnType<typeof setTimeout> | undefined;
  #streams = 0;
  #suspect = false;
  #maxStreams = 0;
  #goawayLastStreamId = Number.POSITIVE_INFINITY;
  #sessionError: Error | undefined;
  #pingTimer: ReturnType<typeof setTimeout> | undefined;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #idleSinceMs = 0;

  constructor(options: ConnectionOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.session = connect(
      options.origin,
      sessionOptions(new URL(options.origin), options.nodeOptions, (tunnel) => {
        this.#tunnel = tunnel;
        tunnel.on("error", (error) => {
          this.#sessionError ??= error;
        });
      }),
    );
    this.#connectTimer = startTimer(options.connectTimeoutMs, () => {
      this.#sessionError = new Error(
        `the server did not open an HTTP/2 connection within ${options.connectTimeoutMs} ms`,
      );
      this.#end(ResetCode.CANCEL);
    });
    // These stay on for good: an error of a session that nobody uses any more must not end the process.
    this.session.on("error", (error) => {
      this.#sessionError ??= error;
    });
    // A session whose TLS connection the server refuses after the handshake does not say so itself.
    this.session.on("connect", (_, socket) => {
      socket.on("error", (error) => {
        this.#sessionError ??= error;
        this.#end(ResetCode.CANCEL);
      });
    });
    this.session.on("close", () => this.#onClosed());
    this.session.on("goaway", (code, streamId, data) => this.#onGoaway(code, streamId, data));
    this.session.on("remoteSettings", (settings) => {
      this.#maxStreams = settings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
      if (this.state === "connecting") {
        clearTimeout(this.#connectTimer);
        this.#onIdle();
        this.#onAlive();
      } else {
        this.#owner.onRoom(this);
      }
    });
  }

  /** Whether a call can start on it now. May start a verification, which ends in `onRoom`. */
  takesCalls(): boolean {
    if (this.state !== "open" || this.#streams >= this.#maxStreams) {
      return false;
    }
    if (this.session.closed || this.session.destroyed) {
      return false;
    }
    const quietMs = performance.now() - this.lastReadAtMs;
    if (this.#suspect || quietMs > verifyAfterMs || quietMs > this.#options.pingIntervalMs) {
      this.state = "verifying";
      this.#ping(() => this.#onAlive());
      return false;
    }
    return true;
  }

  /** Opens a stream. `release` must be called when it has closed. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.session.request(headers, requestOptions);
    this.#streams += 1;
    if (this.#streams === 1) {
      this.#ref();
      this.#keepAlive();
    }
    if (stream.id !== undefined && stream.id > lastStreamId) {
      this.#drain();
    }
    return stream;
  }

  release(): void {
    this.#streams -= 1;
    if (this.#streams === 0) {
      this.#unref();
      if (this.state === "draining") {
        this.#end(ResetCode.NO_ERROR);
        return;
      }
      if (this.state !== "closed") {
        this.#onIdle();
      }
    }
    if (this.state === "open") {
      this.#owner.onRoom(this);
    }
  }

  /** Says that bytes came. */
  onRead(): void {
    this.lastReadAtMs = performance.now();
    this.#suspect = false;
  }

  /** Says that a call got no sign of life: the next one has the connection verified first. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether the server said, or cannot but mean, that it did nothing for this stream. */
  refused(stream: ClientHttp2Stream): boolean {
    return (
      stream.rstCode === ResetCode.REFUSED_STREAM ||
      (stream.id !== undefined && stream.id > this.#goawayLastStreamId)
    );
  }

  /** Keeps the program alive while calls wait for the connection, and only then. */
  setAwaited(awaited: boolean): void {
    if (this.state === "connecting" || this.state === "verifying") {
      if (awaited) {
        this.#ref();
      } else if (this.#streams === 0) {
        this.#unref();
      }
    }
  }

  /** Ends the connection and every stream on it at once. */
  destroy(reason: () => ConnectError): void {
    this.reason ??= reason;
    this.#end(ResetCode.CANCEL);
  }

  #ref(): void {
    this.session.ref();
    this.#tunnel?.ref();
  }

  #unref(): void {
    this.session.unref();
    this.#tunnel?.unref();
  }

  #onAlive(): void {
    if (this.state !== "connecting" && this.state !== "verifying") {
      return;
    }
    this.state = "open";
    this.onRead();
    if (this.#streams === 0) {
      this.#unref();
    }
    if (this.#options.pingIdleConnection) {
      this.#keepAlive();
    }
    this.#owner.onRoom(this);
  }

  #onGoaway(code: number, streamId: number, data: Buffer | undefined): void {
    this.#goawayLastStreamId = streamId;
    if (code === ResetCode.ENHANCE_YOUR_CALM && data?.toString() === "too_many_pings") {
      // https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md
      this.#options.pingIntervalMs *= 2;
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
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    clearTimeout(this.#idleTimer);
    const { origin } = this.#options;
    this.#owner.onClosed(
      this,
      wasConnecting ? () => connectFailure(origin, this.#sessionError) : undefined,
    );
  }

  /** Watches over calls in flight: a PING whenever nothing came for the interval. */
  #keepAlive(): void {
    if (this.#pingTimer === undefined) {
      const quietMs = performance.now() - this.lastReadAtMs;
      this.#pingTimer = startTimer(this.#options.pingIntervalMs - quietMs, () => {
        this.#pingTimer = undefined;
        if (this.state === "closed" || (this.#streams === 0 && !this.#options.pingIdleConnection)) {
          return;
        }
        if (performance.now() - this.lastReadAtMs < this.#options.pingIntervalMs) {
          this.#keepAlive();
        } else {
          this.#ping(() => this.#keepAlive());
        }
      });
    }
  }

  #ping(onPong: () => void): void {
    if (this.session.destroyed) {
      return; // Its "close" event is on the way.
    }
    clearTimeout(this.#pongTimer);
    this.#pongTimer = startTimer(this.#options.pingTimeoutMs, () =>
      this.destroy(
        () =>
          new ConnectError(
            `the connection to ${this.#options.origin} was lost: no answer to a PING within ${this.#options.pingTimeoutMs} ms`,
            Code.Unavailable,
          ),
      ),
    );
    this.session.ping((error) => {
      if (error === null && this.state !== "closed") {
        clearTimeout(this.#pongTimer);
        this.onRead();
        onPong();
      }
    });
  }

  #onIdle(): void {
    this.#idleSinceMs = performance.now();
    this.#idleTimer ??= this.#startIdleTimer(this.#options.idleConnectionTimeoutMs);
  }

  #startIdleTimer(delayMs: number): ReturnType<typeof setTimeout> | undefined {
    return startTimer(delayMs, () => {
      this.#idleTimer = undefined;
      if (this.#streams > 0 || this.state === "verifying") {
        return;
      }
      const remainingMs =
        this.#idleSinceMs + this.#options.idleConnectionTimeoutMs - performance.now();
      if (remainingMs > 0) {
        this.#idleTimer = this.#startIdleTimer(remainingMs);
      } else {
        this.#end(ResetCode.NO_ERROR);
      }
    });
  }
}

const requestOptions = { endStream: false };
