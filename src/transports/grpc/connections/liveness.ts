import type { ClientHttp2Session } from "node:http2";
import type { Environment } from "../../../common/environment.js";

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
  lastReadAtMs: number;

  readonly #session: ClientHttp2Session;
  readonly #options: LivenessOptions;
  readonly #environment: Environment;
  readonly #onLost: () => void;
  #suspect = false;
  #stopped = false;
  #asking: (() => void)[] | undefined;
  #cancelPongTimer: (() => void) | undefined;
  #cancelIntervalTimer: (() => void) | undefined;

  /** @param onLost called once, when a PING was not acknowledged in time. */
  constructor(
    session: ClientHttp2Session,
    options: LivenessOptions,
    environment: Environment,
    onLost: () => void,
  ) {
    this.#session = session;
    this.#options = options;
    this.#environment = environment;
    this.#onLost = onLost;
    this.lastReadAtMs = environment.monotonicMs();
  }

  /** Says that bytes came. */
  onRead(): void {
    this.lastReadAtMs = this.#environment.monotonicMs();
    this.#suspect = false;
  }

  /** Says that a call got no sign of life. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether nothing has come for so long that a PING must be acknowledged before the next call. */
  get isDoubtful(): boolean {
    const quietMs = this.#environment.monotonicMs() - this.lastReadAtMs;
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
    this.#cancelPongTimer = this.#startTimer(this.#options.pingTimeoutMs, this.#onLost);
    this.#session.ping((error) => {
      if (error !== null || this.#stopped) {
        return;
      }
      this.#cancelPongTimer?.();
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
    this.#cancelPongTimer?.();
    this.#cancelIntervalTimer?.();
  }
}
