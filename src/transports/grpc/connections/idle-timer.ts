import type { Environment } from "../../../common/environment.js";

/** Calls back when it has not been restarted for this long. A restart is cheap: the timer is set once. */
export class IdleTimer {
  readonly #idleMs: number;
  readonly #environment: Environment;
  readonly #onIdle: () => void;
  #sinceMs = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(idleMs: number, environment: Environment, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#environment = environment;
    this.#onIdle = onIdle;
  }

  start(): void {
    this.#sinceMs = this.#environment.monotonicMs();
    this.#cancelTimer ??= this.#arm(this.#idleMs);
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  #arm(delayMs: number): () => void {
    const onTimer = () => {
      const remainingMs = this.#sinceMs + this.#idleMs - this.#environment.monotonicMs();
      this.#cancelTimer = remainingMs > 0 ? this.#arm(remainingMs) : undefined;
      if (remainingMs <= 0) {
        this.#onIdle();
      }
    };
    return this.#environment.setTimer(onTimer, delayMs, { background: true });
  }
}
