/**
 * When the next request may be sent, so that a server sees no more than this many a second. The requests of a
 * tenth of a second may be sent together, so that timers, which are late by a millisecond or so, do not slow
 * the run down; fewer than ten a second are evenly spaced.
 */
export class RateLimit {
  readonly #windowMs: number;
  readonly #most: number;
  /** When the last requests were sent, the oldest first. */
  readonly #sentMs: number[] = [];

  constructor(perSecond: number) {
    this.#most = Math.max(1, Math.floor(perSecond / 10));
    this.#windowMs = (this.#most * 1000) / perSecond;
  }

  /** Milliseconds until a request may be sent; 0 or less if it may be sent now. */
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
