import type { Environment } from "../common/environment.js";
import type { Gathered, Grant, Source } from "./source.js";
import { Notifier, type Stop, Stopped } from "./stop.js";

export interface PoolOptions<G extends Grant> {
  readonly source: Source<G>;
  readonly stop: Stop;
  readonly environment: Environment;
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** The most bytes in one request, and how many of them a grant takes. */
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** Resolves when more may be read. */
  readonly room: () => Promise<void>;
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
  #givenBack: G[] = [];
  #reading = false;
  #ended = false;
  /** Groups that were taken and may still return grants. */
  #out = 0;

  constructor(options: PoolOptions<G>) {
    this.#options = options;
  }

  /**
   * The grants for the next request, or undefined if there are no more. `done` is called when they are
   * decided or returned.
   *
   * @throws Stopped when the run stops.
   */
  async take(): Promise<readonly G[] | undefined> {
    const { groupSize, source, stop } = this.#options;
    for (;;) {
      if (stop.signal.aborted) {
        throw new Stopped();
      }
      const size = groupSize();
      const mayRead = !this.#ended && !this.#reading;
      // Values that are available at once are awaited, to fill the group; slow ones are not.
      const enough = this.#reading && !source.isAsync ? size : 1;
      if (this.#givenBack.length >= enough || mayRead) {
        this.#out += 1;
        const back = this.#takeGivenBack(size);
        const group =
          mayRead && back.length < size ? [...back, ...(await this.#readMore(back, size))] : back;
        if (group.length > 0) {
          return group;
        }
        this.done();
      } else if (this.#ended && this.#out === 0) {
        return undefined;
      } else {
        await this.#changed.wait(stop.signal);
      }
    }
  }

  /** These are undecided and in no request: they are requested again, before all others. */
  giveBack(grants: readonly G[]): void {
    this.#givenBack = [...grants, ...this.#givenBack];
    this.#changed.notify();
  }

  /** A group that was taken is finished. */
  done(): void {
    this.#out -= 1;
    this.#changed.notify();
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
    const { environment, source, mostBytes, bytesOf, room, onRead, onIdle } = this.#options;
    this.#reading = true;
    const startedMs = environment.monotonicMs();
    try {
      await room();
      const bytes = group.reduce((sum, grant) => sum + bytesOf(grant), 0);
      const holdsSome = group.length > 0;
      const gathered = await source.gather(size - group.length, mostBytes - bytes, holdsSome);
      this.#ended = gathered.ended;
      return onRead(gathered);
    } finally {
      this.#reading = false;
      onIdle(environment.monotonicMs() - startedMs);
      this.#changed.notify();
    }
  }
}
