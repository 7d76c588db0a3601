import type { ClientHttp2Session } from "node:http2";
import { startTimer } from "./timer.js";

/** After this long without a byte from the server, a connection proves that it is alive before reuse. */
const verifyAfterMs = 30_000;

/** When a connection is pinged. */
export interface LivenessOptions {
  pingIntervalMs: number;
  pingIdleConnection: boolean;
  pingTimeoutMs: number;
}

/**
 * Whether the other side of a connection is still there. At most one PING is on its way: whoever wants
 * to know while it is waits for the same PONG.
 */
export class Liveness {
  /** When a byte last came. */
  lastReadAtMs = performance.now();

  readonly #session: ClientHttp2Session;
  readonly #options: LivenessOptions;
  readonly #onLost: () => void;
  #suspect = false;
  #stopped = false;
  #asking: (() => void)[] | undefined;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;
  #intervalTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param onLost called once, when a PING was not acknowledged in time. */
  constructor(session: ClientHttp2Session, options: LivenessOptions, onLost: () => void) {
    this.#session = session;
    this.#options = options;
    this.#onLost = onLost;
  }

  /** Says that bytes came. */
  onRead(): void {
    this.lastReadAtMs = performance.now();
    this.#suspect = false;
  }

  /** Says that a call got no sign of life. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether nothing has come for so long that a PING must be acknowledged before the next call. */
  get isDoubtful(): boolean {
    const quietMs = performance.now() - this.lastReadAtMs;
    return this.#suspect || quietMs > verifyAfterMs || quietMs > this.#options.pingIntervalMs;
  }

  ask(onPong: () => void): void {
    if (this.#session.destroyed || this.#stopped) {
      return; // Its "close" event is on the way.
    }
    if (this.#asking !== undefined) {
      this.#asking.push(onPong);
      return;
    }
    this.#asking = [onPong];
    this.#pongTimer = startTimer(this.#options.pingTimeoutMs, this.#onLost);
    this.#session.ping((error) => {
      if (error !== null || this.#stopped) {
        return;
      }
      clearTimeout(this.#pongTimer);
      this.onRead();
      const asking = this.#asking ?? [];
      this.#asking = undefined;
      for (const answer of asking) {
        answer();
      }
    });
  }

  /** Asks whenever nothing came for the interval, as long as there is something to watch over. */
  watch(hasCalls: () => boolean): void {
    if (this.#intervalTimer !== undefined || this.#stopped) {
      return;
    }
    const { pingIntervalMs, pingIdleConnection } = this.#options;
    const quietMs = performance.now() - this.lastReadAtMs;
    this.#intervalTimer = startTimer(pingIntervalMs - quietMs, () => {
      this.#intervalTimer = undefined;
      if (!hasCalls() && !pingIdleConnection) {
        return;
      }
      if (performance.now() - this.lastReadAtMs < pingIntervalMs) {
        this.watch(hasCalls);
      } else {
        this.ask(() => this.watch(hasCalls));
      }
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#pongTimer);
    clearTimeout(this.#intervalTimer);
  }
}
