import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Environment } from "../../common/time.js";
import { clientCertificate, hasCode } from "../../errors/failure.js";
import type { NodeConnectOptions } from "../../options/options.js";
import { type ConnectFailure, connectFailure, ResetCode } from "./failure.js";
import { forNode, type HeaderList } from "./headers.js";
import { Liveness, type LivenessOptions } from "./liveness.js";
import { openSocket } from "./proxy.js";

export interface ConnectionOptions extends LivenessOptions {
  /** Scheme, host and port. */
  origin: string;
  nodeOptions: NodeConnectOptions | undefined;
  connectTimeoutMs: number;
  idleConnectionTimeoutMs: number;
}

/** Is notified of the events of a connection. */
export interface ConnectionOwner<Connection> {
  /** It may accept calls: it is open, or it is verified. */
  onRoom(connection: Connection): void;
  /** A stream of it has closed. */
  onReleased(connection: Connection): void;
  /** The first byte of a response has arrived on it. */
  onServed(connection: Connection): void;
  /** It accepts no more calls. */
  onDraining(connection: Connection): void;
  /** The server asks for fewer pings. */
  onTooManyPings(): void;
  /** It is closed; with a failure if it was never established. */
  onClosed(connection: Connection, failure: ConnectFailure | undefined): void;
}

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

  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner<Connection>;
  readonly liveness: Liveness;
  readonly #environment: Environment;
  #stopIdleTimer: (() => void) | undefined;
  readonly #stopConnectTimer: () => void;
  readonly #opening = new AbortController();
  #session: ClientHttp2Session | undefined;
  /** The first thing that went wrong. */
  #error: Error | undefined;
  #memory: object | undefined;
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
    const { connectTimeoutMs } = options;
    this.#stopConnectTimer = environment.setTimer(
      () => {
        const problem = `the server did not open an HTTP/2 connection within ${connectTimeoutMs} ms`;
        this.#onError(new Error(problem));
      },
      connectTimeoutMs,
      { background: true },
    );
    this.liveness = new Liveness(options, environment, () => this.destroy(() => lost(options)));
    this.#environment = environment;
    this.#open();
  }

  /**
   * The session of a connection that has had room.
   *
   * @throws Error before that.
   */
  get session(): ClientHttp2Session {
    if (this.#session === undefined) {
      throw new Error("the connection is not open");
    }
    return this.#session;
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

  /** Verifies that it is alive; the result is `onRoom` or `onClosed`. */
  verify(): void {
    this.state = "verifying";
    this.liveness.ask(() => this.#onAlive());
  }

  /** Opens a stream. `release` must be called when it has closed. */
  request(header: HeaderList | OutgoingHttpHeaders): ClientHttp2Stream {
    const list = Array.isArray(header) ? forNode(header) : header;
    const stream = this.session.request(list as OutgoingHttpHeaders);
    this.#streams += 1;
    if (this.#streams === 1) {
      this.session.ref();
      this.liveness.watch(this.#hasCalls);
    }
    if (stream.id !== undefined && stream.id > lastStreamId) {
      this.#drain();
    }
    return stream;
  }

  /** @param broken the stream, if it has closed without a complete response. */
  release(broken?: ClientHttp2Stream): void {
    if (broken !== undefined) {
      holdFor(broken, this.#memory);
    }
    this.#streams -= 1;
    if (this.#streams === 0) {
      this.session.unref();
      if (this.state === "draining") {
        this.#end();
        return;
      }
      if (this.state !== "closed") {
        this.#startIdleTimer();
      }
    }
    if (this.state === "open") {
      this.#owner.onReleased(this);
    }
  }

  /** Records that bytes of a response arrived. */
  onRead(): void {
    this.liveness.onRead();
    if (!this.served) {
      this.served = true;
      this.#owner.onServed(this);
    }
  }

  /** Whether the server provably did not process this stream, to which no response has begun. */
  refused(stream: ClientHttp2Stream): boolean {
    return (
      // With TLS 1.3, a server rejects the client's certificate when the client has a session already.
      (!this.served && hasCode(this.#error, clientCertificate)) ||
      stream.rstCode === ResetCode.REFUSED_STREAM ||
      (stream.id !== undefined && stream.id > this.#goawayLastStreamId)
    );
  }

  /** Closes the connection and every stream on it at once. */
  destroy(reason: () => ConnectError): void {
    this.reason ??= reason;
    this.#end();
  }

  /** Closes an unused connection. */
  discard(): void {
    this.isAccounted = true;
    this.#end();
  }

  readonly #hasCalls = () => this.#streams > 0;

  async #open(): Promise<void> {
    const { origin, nodeOptions } = this.#options;
    const { signal } = this.#opening;
    let socket: Duplex | undefined;
    try {
      const url = new URL(origin);
      // Calls that wait for it keep the process alive.
      const how = { origin: url, nodeOptions, protocol: "h2", signal, keepsAlive: false } as const;
      const opened = await openSocket(how);
      socket = opened;
      if (this.state === "closed") {
        opened.destroy();
        return;
      }
      // A session whose TLS connection the server rejects after the handshake does not report it.
      opened.on("error", (error) => this.#onError(error));
      const session = connect(origin, {
        // Megabytes: Node would reject streams once a session holds 10, which a few large messages do.
        maxSessionMemory: 1_000_000,
        // Beyond this Node resets the stream and may abort the program when the session is collected
        // (https://github.com/nodejs/node/issues/35233); its default is 128.
        maxHeaderListPairs: 4_000,
        // The server says what it takes; Node would not send more than 64 KiB.
        maxSendHeaderBlockLength: 2 ** 24,
        ...(nodeOptions as object),
        settings: { enablePush: false, ...(nodeOptions?.settings as object) },
        createConnection: () => opened,
      });
      this.#session = session;
      this.#memory = memoryOf(session);
      session.unref();
      this.#listen(session);
    } catch (error) {
      // Where `http2.connect` throws (workerd), few sockets may be open at once.
      socket?.destroy();
      this.#onError(error as Error);
    }
  }

  #listen(session: ClientHttp2Session): void {
    this.liveness.session = session;
    // Never removed: a late error of an unused session must not terminate the process.
    session.on("error", (error) => {
      this.#error ??= error;
    });
    session.on("close", () => this.#onClosed());
    session.on("goaway", (code, streamId, data) => this.#onGoaway(code, streamId, data));
    session.on("remoteSettings", (settings) => {
      this.#maxStreams = settings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
      this.maxHeaderListBytes = settings.maxHeaderListSize ?? Number.POSITIVE_INFINITY;
      if (this.state === "connecting") {
        this.#stopConnectTimer();
        this.#startIdleTimer();
        this.#onAlive();
      } else {
        this.#owner.onRoom(this);
      }
    });
  }

  /** Closes it when it has been without streams for a while. */
  #startIdleTimer(): void {
    const onIdle = () => {
      if (this.#streams === 0 && this.state !== "verifying") {
        this.discard();
      }
    };
    const { idleConnectionTimeoutMs } = this.#options;
    this.#stopIdleTimer?.();
    this.#stopIdleTimer = this.#environment.setTimer(onIdle, idleConnectionTimeoutMs, {
      background: true,
    });
  }

  #onError(error: Error): void {
    this.#error ??= error;
    this.#end();
  }

  #onAlive(): void {
    if (this.state !== "connecting" && this.state !== "verifying") {
      return;
    }
    this.state = "open";
    this.liveness.onRead();
    if (this.#options.pingIdleConnection) {
      this.liveness.watch(this.#hasCalls);
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
      this.#end();
    }
  }

  #drain(): void {
    if (this.state !== "closed" && this.state !== "draining") {
      this.state = "draining";
      this.#owner.onDraining(this);
    }
  }

  #end(): void {
    this.#onClosed();
    this.#opening.abort(this.#error);
    // Streams of connect-node fail with this error; ours ask for the reason.
    this.#session?.destroy(this.reason?.(), ResetCode.NO_ERROR);
  }

  #onClosed(): void {
    if (this.state === "closed") {
      return;
    }
    const wasConnecting = this.state === "connecting";
    this.state = "closed";
    this.#stopConnectTimer();
    this.#stopIdleTimer?.();
    this.liveness.stop();
    const failure = wasConnecting ? connectFailure(this.#options.origin, this.#error) : undefined;
    this.#owner.onClosed(this, failure);
  }
}

function lost({ origin, pingTimeoutMs }: ConnectionOptions): ConnectError {
  return new ConnectError(
    `the connection to ${origin} was lost: no response to a PING within ${pingTimeoutMs} ms`,
    Code.Unavailable,
  );
}

/**
 * Holds the memory of sessions until streams that were broken off are collected. Node aborts the process if
 * it collects a session first, while such a stream still has a part of a header block
 * (https://github.com/nodejs/node/issues/35233).
 */
const held = new FinalizationRegistry<object>(() => undefined);

/** What Node's part in C++ hangs on, which a session forgets as soon as it is destroyed. */
function memoryOf(session: ClientHttp2Session): object | undefined {
  const name = Object.getOwnPropertySymbols(session).find((one) => one.description === "kHandle");
  const handle: unknown = name && (session as unknown as Record<symbol, unknown>)[name];
  return typeof handle === "object" && handle !== null ? handle : undefined;
}

function holdFor(stream: ClientHttp2Stream, memory: object | undefined): void {
  if (memory !== undefined) {
    held.register(stream, memory);
  }
}
