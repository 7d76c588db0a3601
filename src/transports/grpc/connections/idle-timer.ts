import { startTimer } from "./timer.js";

/** Calls back once nothing has started it anew for so long. Starting is cheap: the timer is set once. */
export class IdleTimer {
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #sinceMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(idleMs: number, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
  }

  start(): void {
    this.#sinceMs = performance.now();
    this.#timer ??= this.#arm(this.#idleMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(delayMs: number): ReturnType<typeof setTimeout> | undefined {
    return startTimer(delayMs, () => {
      const remainingMs = this.#sinceMs + this.#idleMs - performance.now();
      this.#timer = remainingMs > 0 ? this.#arm(remainingMs) : undefined;
      if (remainingMs <= 0) {
        this.#onIdle();
      }
    });
  }
}
