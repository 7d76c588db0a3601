/**
 * When the next request may go, so that a server sees no more than so many a second. A tenth of a
 * second's requests may go together, so that timers, which are late by a millisecond or so, do not slow
 * the run down; fewer than ten a second are evenly spaced.
 */
export class RateLimit {
  readonly #windowMs: number;
  readonly #most: number;
  /** When the last requests went, the oldest first. */
  readonly #sentMs: number[] = [];

  constructor(perSecond: number) {
    this.#most = Math.max(1, Math.floor(perSecond / 10));
    this.#windowMs = (this.#most * 1000) / perSecond;
  }

  /** Milliseconds until a request may go; 0 or less when it may go now. */
  waitMs(nowMs: number): number {
    const [oldestMs = Number.NEGATIVE_INFINITY] = this.#sentMs;
    return this.#sentMs.length < this.#most ? 0 : oldestMs + this.#windowMs - nowMs;
  }

  sent(nowMs: number): void {
    this.#sentMs.push(nowMs);
    if (this.#sentMs.length > this.#most) {
      this.#sentMs.shift();
    }
  }
}
