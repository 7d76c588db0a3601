import { type Environment, platform } from "../../src/common/time.js";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
  readonly background: boolean;
}

/** Time that stands still until a test moves it, and randomness that repeats itself. */
export class FakeEnvironment implements Environment {
  #wallMs = Date.parse("2026-11-22T08:00:00Z");
  #monotonicMs = 0;
  #randomState: number | undefined;
  readonly #timers = new Set<Timer>();

  /** @param seed of the random numbers; without one they are 0.5. */
  constructor(seed?: number) {
    this.#randomState = seed;
  }

  readonly wallMs = (): number => this.#wallMs;
  readonly monotonicMs = (): number => this.#monotonicMs;

  /** Mulberry32. */
  readonly random = (): number => {
    if (this.#randomState === undefined) {
      return 0.5;
    }
    this.#randomState = (this.#randomState + 0x6d2b79f5) >>> 0;
    let t = this.#randomState;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  readonly setTimer: Environment["setTimer"] = (callback, delayMs, { background = false } = {}) => {
    const timer = { atMs: this.#monotonicMs + delayMs, callback, background };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** Timers that would still run. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Those of them that would keep a program alive. */
  get timersThatKeepAlive(): number {
    return [...this.#timers].filter(({ background }) => !background).length;
  }

  /** Milliseconds until the next timer that is not in the background; undefined where there is none. */
  get nextMs(): number | undefined {
    const next = this.#first(({ background }) => !background);
    return next === undefined ? undefined : next.atMs - this.#monotonicMs;
  }

  /** Moves the wall clock alone, as setting it does, and as it does while the machine sleeps. */
  setWall(deltaMs: number): void {
    this.#wallMs += deltaMs;
  }

  /** Moves both clocks, and runs what is due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    while (this.#runNext(endMs)) {
      await settle();
    }
    this.#moveTo(endMs);
    await settle();
  }

  /** Lets time pass, as long as nothing else is left to do, until the work has settled. */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const onSettled = () => {
      settled = true;
    };
    work.then(onSettled, onSettled);
    for (;;) {
      await quiet();
      if (settled) {
        return work;
      }
      if (!this.#runNext()) {
        throw new Error("nothing is left to happen, and the work has not settled");
      }
    }
  }

  /** Lets everything happen that is still on its way. */
  async runAll(): Promise<void> {
    do {
      await quiet();
    } while (this.#runNext());
  }

  #first(matches: (timer: Timer) => boolean): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (matches(timer) && timer.atMs < (first?.atMs ?? Number.POSITIVE_INFINITY)) {
        first = timer;
      }
    }
    return first;
  }

  /** Goes on to the next timer, if there is one until then. */
  #runNext(endMs = Number.POSITIVE_INFINITY): boolean {
    const next = this.#first(({ atMs }) => atMs <= endMs);
    if (next === undefined) {
      return false;
    }
    this.#timers.delete(next);
    this.#moveTo(next.atMs);
    next.callback();
    return true;
  }

  #moveTo(monotonicMs: number): void {
    const stepMs = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#wallMs += stepMs;
    this.#monotonicMs += stepMs;
  }
}

/**
 * The platform, but that timers run at once and the clocks go forward by as much.
 *
 * @param delaysMs takes the delay of each timer.
 */
export function createImpatientEnvironment(delaysMs: number[] = []): Environment {
  let skippedMs = 0;
  return {
    ...platform,
    wallMs: () => platform.wallMs() + skippedMs,
    monotonicMs: () => platform.monotonicMs() + skippedMs,
    setTimer: (callback, delayMs, options) => {
      delaysMs.push(delayMs);
      skippedMs += delayMs;
      return platform.setTimer(callback, 0, options);
    },
  };
}

/** Lets everything go on that can go on without time passing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await quiet();
  }
}

/** Until every microtask has run. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
