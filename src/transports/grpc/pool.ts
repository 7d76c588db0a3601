import { Code, ConnectError } from "@connectrpc/connect";
import { type Environment, exponential, platform } from "../../common/time.js";
import { clientClosed } from "../call/call.js";
import type { Connection, ConnectionOptions, ConnectionOwner } from "./connection.js";
import { type ConnectFailure, unservedFailure } from "./failure.js";

/** A call that needs a connection. */
export interface Waiter {
  /** Must not throw. */
  start(connection: Connection): void;
  fail(error: ConnectError): void;
}

/** gRPC's: https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md */
const backoff = { firstMs: 1_000, maxMs: 120_000, factor: 1.6 };

/** With the 100 streams that HTTP/2 recommends, 10,000 calls at once. */
const maxConnections = 100;

/**
 * The connections of one transport, by this policy:
 *
 * - A call is sent on the first connection that has room. If no connection has room, calls wait in order, and
 *   a new connection is opened, for which the name is resolved again; one at a time, 100 at most.
 * - A connection that was silent for a while has to acknowledge a PING first. It has no room until then, so
 *   another one is opened at once: waiting calls use whichever is ready first.
 * - While the server of a connection allows 0 streams, calls wait for it; no other is opened.
 * - A connection that could not be made, or that the server closed before it had served a call, is a failure.
 *   The next one is opened after the exponential backoff of gRPC (the first time at once), as long as calls
 *   wait. A connection that has served a call resets the backoff.
 * - During the backoff, calls wait, up to their deadline. A call fails when a second connection that it
 *   waited for could not be made, and at once if the last failure is permanent.
 * - An unused connection is closed after a while. Waiting calls keep the process alive.
 */
export class ConnectionPool implements ConnectionOwner<Connection> {
  readonly #options: ConnectionOptions;
  readonly #environment: Environment;
  readonly #connections = new Set<Connection>();
  /** In order: a set keeps it, and forgets one in the middle at once. */
  readonly #waiting = new Set<Waiter>();
  #pingIntervalMs: number;
  /** The last connection, if it was opened while another one was being verified. */
  #hedge: Connection | undefined;
  /** The last failure to connect, until a connection has served a call; and how many there were in a row. */
  #failure: ConnectFailure | undefined;
  #failures = 0;
  /** When the next connection may be opened. */
  #mayOpenAtMs = 0;
  #closed = false;
  #loading: Promise<void> | undefined;
  #createConnection: (() => Connection) | undefined;
  #cancelBackoff: (() => void) | undefined;
  #letProgramEnd: (() => void) | undefined;

  constructor(options: ConnectionOptions, environment: Environment = platform) {
    this.#options = options;
    this.#environment = environment;
    this.#pingIntervalMs = options.pingIntervalMs;
  }

  /** Why calls wait, for error messages. */
  readonly obstacle = (): string | undefined =>
    this.#failure?.error().rawMessage ??
    `no connection to ${this.#options.origin} had room for the call`;

  /** Assigns a connection to the call, now or as soon as there is one. */
  run(waiter: Waiter): void {
    if (this.#closed) {
      waiter.fail(clientClosed());
      return;
    }
    const connection = this.#waiting.size === 0 ? this.#find(isReady) : undefined;
    if (connection === undefined) {
      this.#waiting.add(waiter);
      this.#onWaiting();
      for (const connection of [...this.#connections].filter(isDoubtful)) {
        connection.verify();
      }
      this.#grow();
    } else {
      waiter.start(connection);
    }
  }

  /** Removes a call that stops waiting. */
  leave(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    this.#onWaiting();
  }

  /** Closes all connections; calls fail with `Canceled` from now on. */
  close(): void {
    this.#closed = true;
    this.#failWaiting(clientClosed);
    for (const connection of [...this.#connections]) {
      connection.destroy(clientClosed);
    }
  }

  onReleased(connection: Connection): void {
    if (this.#waiting.size > 0 && isDoubtful(connection)) {
      // Its last call got no response: those that wait would be sent in vain, and in doubt.
      connection.verify();
    }
    this.onRoom(connection);
  }

  onTooManyPings(): void {
    // https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md
    this.#pingIntervalMs *= 2;
  }

  onRoom(connection: Connection): void {
    for (const waiter of this.#waiting) {
      if (!connection.hasRoom) {
        break;
      }
      this.#waiting.delete(waiter);
      waiter.start(connection);
    }
    this.#onWaiting();
    if (this.#waiting.size > 0) {
      this.#grow();
    } else if (this.#hedge?.state === "connecting" && this.#find(isVerifying) === undefined) {
      // It was opened as a substitute for another one, which turned out to be alive.
      this.#hedge.discard();
    }
  }

  #grow(): void {
    if (this.#closed || this.#waiting.size === 0 || this.#connections.size >= maxConnections) {
      return;
    }
    if (this.#find(willHaveRoom) !== undefined) {
      return;
    }
    const delayMs = this.#mayOpenAtMs - this.#environment.monotonicMs();
    if (delayMs > 0) {
      if (this.#failure?.isPermanent && this.#find(isLive) === undefined) {
        this.#failWaiting(this.#failure.error);
      } else {
        this.#cancelBackoff ??= this.#environment.setTimer(() => {
          this.#cancelBackoff = undefined;
          this.#grow();
        }, delayMs);
      }
    } else if (this.#createConnection === undefined) {
      this.#loading ??= this.#load();
    } else {
      try {
        const connection = this.#createConnection();
        this.#connections.add(connection);
        this.#hedge = this.#find(isVerifying) && connection;
      } catch (reason) {
        this.#failWaiting(() => ConnectError.from(reason, Code.InvalidArgument));
      }
    }
  }

  /** On the first call: node:http2 and node:tls account for a quarter of a program's start-up time. */
  async #load(): Promise<void> {
    try {
      const { Connection } = await import("./connection.js");
      this.#createConnection = () =>
        new Connection(
          { ...this.#options, pingIntervalMs: this.#pingIntervalMs },
          this,
          this.#environment,
        );
      this.#grow();
    } catch (reason) {
      this.#loading = undefined;
      this.#failWaiting(() => ConnectError.from(reason, Code.Internal));
    }
  }

  onServed(): void {
    if (this.#failure !== undefined) {
      this.#failure = undefined;
      this.#failures = 0;
      this.#mayOpenAtMs = 0;
      this.#endBackoff();
      this.#grow();
    }
  }

  onDraining(connection: Connection): void {
    this.#countUnserved(connection);
    this.#grow();
  }

  onClosed(connection: Connection, failure: ConnectFailure | undefined): void {
    this.#connections.delete(connection);
    if (failure === undefined || connection.isAccounted) {
      this.#countUnserved(connection);
    } else {
      this.#countFailure(failure, connection);
      if (this.#find(isLive) === undefined) {
        this.#failWaiting(failure.error);
      }
    }
    this.#grow();
  }

  /**
   * Counts a connection closed before it served a call as a failure; otherwise its server would get ever more
   * of them.
   */
  #countUnserved(connection: Connection): void {
    if (!connection.served && !connection.isAccounted) {
      connection.isAccounted = true;
      this.#countFailure(unservedFailure(this.#options.origin), connection);
    }
  }

  /**
   * The backoff is counted from when the failed attempt was started. The first failure in a row is followed by
   * another attempt at once: most often one connection broke, and the server is there.
   */
  #countFailure(failure: ConnectFailure, { startedAtMs }: Connection): void {
    this.#failure = failure;
    this.#failures += 1;
    const delayMs =
      this.#failures === 1 ? 0 : exponential(this.#environment, backoff, this.#failures - 1);
    this.#mayOpenAtMs = startedAtMs + delayMs;
  }

  #find(matches: (connection: Connection) => boolean): Connection | undefined {
    for (const connection of this.#connections) {
      if (matches(connection)) {
        return connection;
      }
    }
    return undefined;
  }

  #failWaiting(error: () => ConnectError): void {
    // Calls added while these fail are not affected.
    const failed = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of failed) {
      waiter.fail(error());
    }
    this.#onWaiting();
  }

  /** Keeps the process alive while calls wait, and only then. */
  #onWaiting(): void {
    if (this.#waiting.size === 0) {
      this.#letProgramEnd?.();
      this.#letProgramEnd = undefined;
      this.#endBackoff();
    } else {
      this.#letProgramEnd ??= this.#environment.setTimer(() => {}, Number.POSITIVE_INFINITY);
    }
  }

  #endBackoff(): void {
    this.#cancelBackoff?.();
    this.#cancelBackoff = undefined;
  }
}

const isReady = (connection: Connection) => connection.hasRoom && !connection.liveness.isDoubtful;
const isDoubtful = (connection: Connection) => connection.hasRoom && connection.liveness.isDoubtful;
const willHaveRoom = ({ state, isPaused }: Connection) => state === "connecting" || isPaused;
const isVerifying = ({ state }: Connection) => state === "verifying";
const isLive = ({ state }: Connection) => state !== "draining";
