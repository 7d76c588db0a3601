import type { ConnectError } from "@connectrpc/connect";
import { type ManagementClient, platform } from "../../../bulk/internal.js";
import { close } from "../../../index.js";
import { type Identified, type Identity, lookupOptions } from "../../account.js";
import type { Connection } from "../../connect.js";
import { createLookup, type Lookup } from "../../grants/lookup.js";
import type { Io } from "../../io.js";
import type { RunLog } from "../../log/write.js";
import { createStopSwitch, type StopSwitch } from "../../progress.js";

/** How long the server may accept no step before the command is aborted. */
const giveUpMs = 300_000;

export interface SessionOptions {
  readonly log: RunLog | undefined;
  readonly rate: number | undefined;
  readonly quiet?: boolean | undefined;
  readonly io: Io;
}

/** What a command works with from its question to its end: connection, log, and the effect of Ctrl-C. */
export class Session {
  readonly connection: Connection;
  readonly identity: Identity;
  readonly log: RunLog | undefined;
  readonly rate: number | undefined;
  readonly quiet: boolean;
  readonly io: Io;
  readonly stopSwitch: StopSwitch;
  /** Reads, until the first Ctrl-C. */
  readonly reader: Lookup;
  /** Adds and reactivates. */
  readonly writer: Lookup;
  readonly client: ManagementClient;
  /** Awaited before each step: the rate limit. */
  readonly turn: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Grants that may be active now, and are deactivated before anything else. */
  readonly pairs = new Set<string>();
  /** Why no further step can succeed. */
  failure: ConnectError | undefined;
  #troubleSinceMs: number | undefined;

  constructor({ connection, identity }: Identified, options: SessionOptions) {
    const { log, rate, quiet = false, io } = options;
    this.connection = connection;
    this.identity = identity;
    this.log = log;
    this.rate = rate;
    this.quiet = quiet;
    this.io = io;
    this.stopSwitch = createStopSwitch(io, {
      left: () =>
        this.pairs.size === 0
          ? undefined
          : `Left at once: ${[...this.pairs].join(", ")} may be active.`,
    });
    const reading = lookupOptions(this.stopSwitch.stopSignal, rate, io);
    this.reader = createLookup(connection, reading);
    this.writer = createLookup(connection, { signal: this.stopSwitch.signal });
    this.client = connection.createClient();
    this.turn = reading.turn;
  }

  /** The server has responded to a step. */
  responded(): void {
    this.#troubleSinceMs = undefined;
  }

  /** The server has not accepted a step. @returns for how long it may go on like this. */
  troubled(): number {
    const nowMs = (this.io.environment ?? platform).monotonicMs();
    this.#troubleSinceMs ??= nowMs;
    return this.#troubleSinceMs + giveUpMs - nowMs;
  }

  /** No further step can succeed: nothing new is started. */
  fail(error: ConnectError): void {
    this.failure ??= error;
    this.stopSwitch.stop();
  }

  /** Ends the log as well: why a log cannot be written is kept in its `failure`. */
  async end(because: string): Promise<void> {
    this.stopSwitch.end();
    close(this.client);
    await this.log?.close(because).catch(() => undefined);
  }
}
