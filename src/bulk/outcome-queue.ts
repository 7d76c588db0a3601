import { Notifier } from "./notifier.js";

/** Outcomes that were taken are dropped from memory once there are this many, and as many as are left. */
const mostTaken = 64;

/**
 * Outcomes that have not been consumed yet, and the consumers and producers that wait for an outcome or for
 * room.
 */
export class OutcomeQueue<O> {
  readonly #most: number;
  readonly #arrived = new Notifier();
  readonly #taken = new Notifier();
  #outcomes: O[] = [];
  /** How many of them were taken: `shift()` would move all the others each time. */
  #takenCount = 0;
  #closed = false;

  /** @param most at this many unconsumed outcomes, there is no room for more work. */
  constructor(most: number, stop: AbortSignal) {
    this.#most = most;
    stop.addEventListener("abort", () => this.#taken.notify(), { once: true });
  }

  push(outcome: O): void {
    if (!this.#closed) {
      this.#outcomes.push(outcome);
      this.#arrived.notify();
    }
  }

  /** The next outcome, or undefined if there are no more. */
  async take(): Promise<O | undefined> {
    for (;;) {
      const outcome = this.#outcomes[this.#takenCount];
      if (outcome !== undefined) {
        this.#takenCount += 1;
        if (this.#takenCount >= mostTaken && this.#takenCount * 2 >= this.#outcomes.length) {
          this.#outcomes = this.#outcomes.slice(this.#takenCount);
          this.#takenCount = 0;
        }
        this.#taken.notify();
        return outcome;
      }
      if (this.#closed) {
        return undefined;
      }
      await this.#arrived.wait();
    }
  }

  /** There will be no more outcomes. */
  close(): void {
    this.#closed = true;
    this.#arrived.notify();
  }

  /** The consumer has stopped: present and future outcomes are dropped. */
  drop(): void {
    this.#outcomes = [];
    this.#takenCount = 0;
    this.close();
  }

  get #waiting(): number {
    return this.#outcomes.length - this.#takenCount;
  }

  /** Resolves when there is room, or the run stops. */
  async room(stop: AbortSignal): Promise<void> {
    while (this.#waiting >= this.#most && !this.#closed && !stop.aborted) {
      await this.#taken.wait();
    }
  }
}
