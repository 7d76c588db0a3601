import type { Environment } from "../common/environment.js";
import { Notifier } from "./notifier.js";
import type { Gathered, Grant, Source } from "./source.js";
import { type Stop, Stopped } from "./stop.js";

export interface PoolOptions<G extends Grant> {
  readonly source: Source<G>;
  readonly stop: Stop;
  readonly environment: Environment;
  /** How many grants the next request should hold, when so many at most are left to ask for. */
  readonly groupSize: (left: number) => number;
  /** Bytes in one request at most, and what a grant takes of them. */
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** How many values the caller's iterable holds at most. */
  readonly count: number;
  /** Resolves when more may be read. */
  readonly room: () => Promise<void>;
  /** A group was taken. */
  readonly onTake: () => void;
  /** Takes what was read, and returns what of it is to be asked for. */
  readonly onRead: (gathered: Gathered<G>) => readonly G[];
  /** Nothing could be asked for so many milliseconds, since there was nothing to ask for. */
  readonly onIdle: (ms: number) => void;
}

/**
 * The grants that are to be asked for: those that were given back first, then the caller's. Reads no
 * more of these than the next request holds.
 */
export class Pool<G extends Grant> {
  readonly #options: PoolOptions<G>;
  readonly #changed = new Notifier();
  readonly #over = new AbortController();
  #givenBack: G[] = [];
  #reading = false;
  #ended = false;
  /** Groups that were taken and may still give grants back. */
  #out = 0;

  constructor(options: PoolOptions<G>) {
    this.#options = options;
    const end = () => {
      this.#over.abort();
      this.#changed.notify();
    };
    options.stop.signal.addEventListener("abort", end, { once: true });
  }

  /** Aborted when nothing is left to ask for, or the run stops. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * The grants for the next request, or undefined when there are no more. `done` is called when they
   * are decided or given back.
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
      // What comes at once is waited for, so that a group is whole; what may take long is not.
      const comesAtOnce = this.#reading && !this.#options.source.isAsync;
      const enough = this.#givenBack.length >= (comesAtOnce ? size : 1);
      if (enough || mayRead) {
        // Before others look for what is left.
        this.#options.onTake();
        const group = this.#takeGivenBack(size);
        if (group.length < size && mayRead) {
          group.push(...(await this.#readMore(group, size)));
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

  /** These are not decided and not in a request: they are asked for again, before all others. */
  giveBack(grants: readonly G[]): void {
    if (grants.length > 0) {
      this.#givenBack = [...grants, ...this.#givenBack];
      this.#changed.notify();
    }
  }

  /** A group that was taken is through. */
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
