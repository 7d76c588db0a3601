import { Code, ConnectError } from "@connectrpc/connect";
import { markNotProcessed } from "../../../errors/not-processed.js";
import type { Connection, ConnectionOptions, ConnectionOwner } from "./connection.js";
import { Queue } from "./queue.js";

/** A safeguard for the server: with the 100 streams that HTTP/2 recommends, 10,000 calls at once. */
const maxConnections = 100;

/** After a further connection could not be made, calls wait for the existing ones this long. */
const growthPauseMs = 1_000;

/** A call that needs a connection. */
export interface Waiter {
  /** Must not throw. */
  start(connection: Connection): void;
  fail(error: ConnectError): void;
}

/**
 * The connections of one transport. The first call opens one; it is shared until the server's
 * MAX_CONCURRENT_STREAMS is reached, then another is opened, one at a time, while calls wait in order.
 * Names are resolved anew for each. A connection that nobody uses closes after a while.
 */
export class ConnectionPool {
  readonly #options: ConnectionOptions;
  readonly #connections = new Set<Connection>();
  readonly #waiting = new Queue<Waiter>();
  readonly #owner: ConnectionOwner;
  #closed = false;
  #loading: Promise<void> | undefined;
  #createConnection: (() => Connection) | undefined;
  #noGrowthBeforeMs = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#owner = {
      onRoom: (connection) => this.#fill(connection),
      onDraining: () => this.#grow(),
      onClosed: (connection, failure) => this.#onClosed(connection, failure),
    };
  }

  /** Gives the call a connection, now or as soon as there is one. */
  run(waiter: Waiter): void {
    if (this.#closed) {
      waiter.fail(markNotProcessed(closedError()));
      return;
    }
    if (this.#waiting.isEmpty) {
      for (const connection of this.#connections) {
        if (connection.takesCalls()) {
          waiter.start(connection);
          return;
        }
      }
    }
    if (this.#waiting.isEmpty) {
      this.#setAwaited(true);
    }
    this.#waiting.push(waiter);
    this.#grow();
  }

  /** Takes a call out that does not want to wait any longer. */
  leave(waiter: Waiter): void {
    this.#waiting.remove(waiter);
    if (this.#waiting.isEmpty) {
      this.#setAwaited(false);
    }
  }

  /** Ends all connections; calls fail as `Canceled` from now on. */
  close(): void {
    this.#closed = true;
    this.#failWaiting(() => markNotProcessed(closedError()));
    for (const connection of [...this.#connections]) {
      connection.destroy(closedError);
    }
  }

  #fill(connection: Connection): void {
    while (!this.#waiting.isEmpty && connection.takesCalls()) {
      this.#waiting.shift()?.start(connection);
    }
    if (this.#waiting.isEmpty) {
      this.#setAwaited(false);
    } else {
      this.#grow();
    }
  }

  #grow(): void {
    if (this.#closed || this.#waiting.isEmpty || this.#connections.size >= maxConnections) {
      return;
    }
    let open = false;
    for (const { state } of this.#connections) {
      if (state === "connecting" || state === "verifying") {
        return;
      }
      open ||= state === "open";
    }
    if (open && performance.now() < this.#noGrowthBeforeMs) {
      return;
    }
    if (this.#createConnection === undefined) {
      this.#loading ??= this.#load();
      return;
    }
    try {
      this.#connections.add(this.#createConnection());
    } catch (reason) {
      this.#failWaiting(() => ConnectError.from(reason, Code.InvalidArgument));
    }
  }

  /** By the first call: node:http2 and node:tls are a quarter of what a program takes to start. */
  async #load(): Promise<void> {
    try {
      const { Connection } = await import("./connection.js");
      this.#createConnection = () => new Connection(this.#options, this.#owner);
      this.#grow();
    } catch (reason) {
      this.#loading = undefined;
      this.#failWaiting(() => ConnectError.from(reason, Code.Internal));
    }
  }

  #onClosed(connection: Connection, failure: (() => ConnectError) | undefined): void {
    this.#connections.delete(connection);
    if (failure === undefined) {
      this.#grow();
    } else if (this.#hasLive()) {
      this.#noGrowthBeforeMs = performance.now() + growthPauseMs;
    } else {
      this.#failWaiting(failure);
    }
  }

  #hasLive(): boolean {
    for (const { state } of this.#connections) {
      if (state !== "draining") {
        return true;
      }
    }
    return false;
  }

  #failWaiting(error: () => ConnectError): void {
    // Those that are added while these fail are not concerned.
    const failing: Waiter[] = [];
    for (let waiter = this.#waiting.shift(); waiter; waiter = this.#waiting.shift()) {
      failing.push(waiter);
    }
    for (const waiter of failing) {
      waiter.fail(error());
    }
  }

  #setAwaited(awaited: boolean): void {
    for (const connection of this.#connections) {
      connection.setAwaited(awaited);
    }
  }
}

function closedError(): ConnectError {
  return new ConnectError("the client was closed", Code.Canceled);
}
