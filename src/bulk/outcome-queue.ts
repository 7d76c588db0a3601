import { Notifier } from "./notifier.js";

/**
 * Outcomes that have not been consumed yet, and the consumers and producers that wait for an outcome or for
 * room.
 */
export class OutcomeQueue<O> {
  readonly #most: number;
  readonly #arrived = new Notifier();
  readonly #taken = new Notifier();
  #outcomes: O[] = [];
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
      const outcome = this.#outcomes.shift();
      if (outcome !== undefined) {
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
    this.close();
  }

  /** Resolves when there is room, or the run stops. */
  async room(stop: AbortSignal): Promise<void> {
    while (this.#outcomes.length >= this.#most && !this.#closed && !stop.aborted) {
      await this.#taken.wait();
    }
  }
}
