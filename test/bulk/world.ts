import type { Environment } from "../../src/bulk/environment.js";

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** Time that passes only when nothing else is left to do: events run one after the other, in order. */
export class World implements Environment {
  #nowMs = 0;
  #sequence = 0;
  #events: Event[] = [];
  #randomState: number;

  constructor(seed = 1) {
    this.#randomState = seed >>> 0;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Mulberry32. */
  random(): number {
    this.#randomState = (this.#randomState + 0x6d2b79f5) >>> 0;
    let t = this.#randomState;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  after(ms: number, run: () => void): () => void {
    const event = { atMs: this.#nowMs + ms, sequence: this.#sequence++, run };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      const abort = () => {
        cancel();
        resolve();
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Lets time pass until the work has settled. */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    work.then(
      () => {
        settled = true;
      },
      () => {
        settled = true;
      },
    );
    for (;;) {
      await quiet();
      if (settled) {
        return work;
      }
      if (!this.#next()) {
        throw new Error("nothing is left to happen, and the work has not settled");
      }
    }
  }

  /** Lets everything happen that is still on its way. */
  async settle(): Promise<void> {
    do {
      await quiet();
    } while (this.#next());
  }

  get idle(): boolean {
    return this.#events.length === 0;
  }

  #next(): boolean {
    let first: Event | undefined;
    for (const event of this.#events) {
      if (
        first === undefined ||
        event.atMs < first.atMs ||
        (event.atMs === first.atMs && event.sequence < first.sequence)
      ) {
        first = event;
      }
    }
    if (first === undefined) {
      return false;
    }
    this.#events.splice(this.#events.indexOf(first), 1);
    this.#nowMs = first.atMs;
    first.run();
    return true;
  }
}

/** Until every microtask has run. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
