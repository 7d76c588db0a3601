import type { ClientHttp2Session } from "node:http2";
import type { Environment } from "../../common/time.js";

/** After this long without a byte from the server, a connection is verified before reuse. */
const verifyAfterMs = 30_000;

/** When a connection is pinged. */
export interface LivenessOptions {
  pingIntervalMs: number;
  pingIdleConnection: boolean;
  pingTimeoutMs: number;
}

/** Whether the other side of a connection is still alive. */
export class Liveness {
  /** When the last byte arrived. */
  lastReadAtMs: number;

  /** There is one before anything is asked. */
  session: ClientHttp2Session | undefined;

  readonly #options: LivenessOptions;
  readonly #environment: Environment;
  readonly #onLost: () => void;
  #suspect = false;
  #stopped = false;
  #cancelIntervalTimer: (() => void) | undefined;

  /** @param onLost called once, when a PING was not acknowledged in time. */
  constructor(options: LivenessOptions, environment: Environment, onLost: () => void) {
    this.#options = options;
    this.#environment = environment;
    this.#onLost = onLost;
    this.lastReadAtMs = environment.monotonicMs();
  }

  /** Records that bytes arrived. */
  onRead(): void {
    this.lastReadAtMs = this.#environment.monotonicMs();
    this.#suspect = false;
  }

  /** Records that a call received no byte: the connection is verified before the next call. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether nothing has arrived for so long that a PING must be acknowledged before the next call. */
  get isDoubtful(): boolean {
    const quietMs = this.#environment.monotonicMs() - this.lastReadAtMs;
    return this.#suspect || quietMs > verifyAfterMs || quietMs > this.#options.pingIntervalMs;
  }

  /** Sends a PING. */
  ask(onPong: () => void): void {
    const { session } = this;
    if (session === undefined || session.destroyed || this.#stopped) {
      return; // Its "close" event follows.
    }
    const cancelTimer = this.#startTimer(this.#options.pingTimeoutMs, () => {
      if (!this.#stopped) {
        this.#onLost();
      }
    });
    session.ping((error) => {
      cancelTimer();
      if (error === null && !this.#stopped) {
        this.onRead();
        onPong();
      }
    });
  }

  /** Sends a PING whenever nothing arrived for the interval, while there is something to watch. */
  watch(hasCalls: () => boolean): void {
    if (this.#cancelIntervalTimer !== undefined || this.#stopped) {
      return;
    }
    const { pingIntervalMs, pingIdleConnection } = this.#options;
    const quietMs = this.#environment.monotonicMs() - this.lastReadAtMs;
    this.#cancelIntervalTimer = this.#startTimer(pingIntervalMs - quietMs, () => {
      this.#cancelIntervalTimer = undefined;
      if (!hasCalls() && !pingIdleConnection) {
        return;
      }
      if (this.#environment.monotonicMs() - this.lastReadAtMs < pingIntervalMs) {
        this.watch(hasCalls);
      } else {
        this.ask(() => this.watch(hasCalls));
      }
    });
  }

  #startTimer(delayMs: number, callback: () => void): () => void {
    return this.#environment.setTimer(callback, delayMs, { background: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelIntervalTimer?.();
  }
}
