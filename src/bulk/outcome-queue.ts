import { Notifier } from "./notifier.js";

/** Outcomes that nobody has taken yet, and who waits for one or for room. */
export class OutcomeQueue<O> {
  readonly #most: number;
  readonly #arrived = new Notifier();
  readonly #taken = new Notifier();
  #outcomes: O[] = [];
  #closed = false;

  /** @param most so many untaken outcomes leave no room for more work. */
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

  /** The next one, or undefined when there is none and none will come. */
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

  /** None will come any more. */
  close(): void {
    this.#closed = true;
    this.#arrived.notify();
  }

  /** Nobody takes them any more: those that are here and those that come are dropped. */
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
