import type { Environment } from "../common/environment.js";
import type { Gathered, Grant, Source } from "./source.js";
import { Notifier, type Stop, Stopped } from "./stop.js";

export interface PoolOptions<G extends Grant> {
  readonly source: Source<G>;
  readonly stop: Stop;
  readonly environment: Environment;
  /** How many grants the next request should hold, if at most this many are left. */
  readonly groupSize: (left: number) => number;
  /** The most bytes in one request, and how many of them a grant takes. */
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** The most values that the caller's iterable holds. */
  readonly count: number;
  /** Resolves when more may be read. */
  readonly room: () => Promise<void>;
  /** A group was taken. */
  readonly onTake: () => void;
  /** Records what was read, and returns the part of it that is to be requested. */
  readonly onRead: (gathered: Gathered<G>) => readonly G[];
  /** For this many milliseconds no request could be sent, since there was nothing to request. */
  readonly onIdle: (ms: number) => void;
}

/**
 * The grants that are to be requested: first those that were returned, then the caller's. Reads no more of
 * the caller's than the next request holds.
 */
export class Pool<G extends Grant> {
  readonly #options: PoolOptions<G>;
  readonly #changed = new Notifier();
  readonly #over = new AbortController();
  #givenBack: G[] = [];
  #reading = false;
  #ended = false;
  /** Groups that were taken and may still return grants. */
  #out = 0;

  constructor(options: PoolOptions<G>) {
    this.#options = options;
    const end = () => {
      this.#over.abort();
      this.#changed.notify();
    };
    options.stop.signal.addEventListener("abort", end, { once: true });
  }

  /** Aborted when nothing is left to request, or the run stops. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * The grants for the next request, or undefined if there are no more. `done` is called when they are
   * decided or returned.
   *
   * @throws Stopped when the run stops.
   */
  async take(): Promise<readonly G[] | undefined> {
    for (;;) {
      if (this.#options.stop.signal.aborted) {
        throw new Stopped();
      }
      const size = this.#options.groupSize(this.#left());
      const mayRead = !this.#ended && !this.#reading;
      // Values that are available at once are awaited, to fill the group; slow ones are not.
      const comesAtOnce = this.#reading && !this.#options.source.isAsync;
      const enough = this.#givenBack.length >= (comesAtOnce ? size : 1);
      if (enough || mayRead) {
        // Before others check what is left.
        this.#options.onTake();
        let group = this.#takeGivenBack(size);
        if (group.length < size && mayRead) {
          group = [...group, ...(await this.#readMore(group, size))];
        }
        if (group.length > 0) {
          this.#out += 1;
          return group;
        }
        this.#checkEnd();
      } else if (this.#over.signal.aborted) {
        return undefined;
      } else {
        await this.#changed.wait();
      }
    }
  }

  /** These are undecided and in no request: they are requested again, before all others. */
  giveBack(grants: readonly G[]): void {
    if (grants.length > 0) {
      this.#givenBack = [...grants, ...this.#givenBack];
      this.#changed.notify();
    }
  }

  /** A group that was taken is finished. */
  done(): void {
    this.#out -= 1;
    this.#checkEnd();
  }

  #checkEnd(): void {
    if (this.#ended && this.#out === 0 && this.#givenBack.length === 0) {
      this.#over.abort();
      this.#changed.notify();
    }
  }

  #left(): number {
    const { count, source } = this.#options;
    const unread = this.#ended ? 0 : Math.max(0, count - source.valuesRead);
    return this.#givenBack.length + unread;
  }

  #takeGivenBack(size: number): G[] {
    let bytes = 0;
    const tooMany = this.#givenBack.findIndex((grant, index) => {
      bytes += this.#options.bytesOf(grant);
      return index > 0 && bytes > this.#options.mostBytes;
    });
    return this.#givenBack.splice(0, tooMany === -1 ? size : Math.min(size, tooMany));
  }

  async #readMore(group: readonly G[], size: number): Promise<readonly G[]> {
    const { environment, source, mostBytes, bytesOf } = this.#options;
    this.#reading = true;
    const startedMs = environment.monotonicMs();
    try {
      await this.#options.room();
      if (this.#options.stop.signal.aborted) {
        return [];
      }
      const bytes = group.reduce((sum, grant) => sum + bytesOf(grant), 0);
      const gathered = await source.gather(
        size - group.length,
        mostBytes - bytes,
        group.length > 0,
      );
      this.#ended = gathered.ended;
      return this.#options.onRead(gathered);
    } finally {
      this.#reading = false;
      this.#options.onIdle(environment.monotonicMs() - startedMs);
      this.#changed.notify();
    }
  }
}

/** A request of fewer grants than this costs the server more than a free slot is worth. */
const fewest = 25;

/**
 * Sizes of the last requests of a run: if everything left fits into two waves, each using every slot, it is
 * spread evenly over their slots, so that the last wave does not run half empty. A list that fits into one
 * request is sent as one.
 */
export class Waves {
  readonly #slots: number;
  #started = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** How many of the remaining grants to put into the next request, which could hold `most`. */
  size(most: number, left: number): number {
    if (left <= 0 || (this.#started === 0 && left <= most)) {
      return most;
    }
    const inThisWave = this.#started % this.#slots;
    const waves = Math.ceil((left + inThisWave * most) / (this.#slots * most));
    return waves > 2
      ? most
      : Math.min(most, Math.max(fewest, Math.ceil(left / (waves * this.#slots - inThisWave))));
  }

  started(): void {
    this.#started += 1;
  }
}
