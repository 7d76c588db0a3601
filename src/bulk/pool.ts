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

/** Grants that wait to be requested. */
export interface Pool<G extends Grant> {
  /**
   * The grants for the next request, or undefined if there are no more. `done` is called when they are
   * decided or returned.
   *
   * @throws Stopped when the run stops.
   */
  readonly take: () => Promise<readonly G[] | undefined>;
  /** These are undecided and in no request: they are requested again, before all others. */
  readonly giveBack: (grants: readonly G[]) => void;
  /** A group that was taken is finished. */
  readonly done: () => void;
}

/**
 * The grants that are to be requested: first those that were returned, then the caller's. Reads no more of
 * the caller's than the next request holds.
 */
export function createPool<G extends Grant>(options: PoolOptions<G>): Pool<G> {
  const { source, stop, environment, mostBytes, bytesOf } = options;
  const changed = new Notifier();
  let givenBack: G[] = [];
  let reading = false;
  let ended = false;
  /** Groups that were taken and may still return grants. */
  let out = 0;
  return {
    async take() {
      while (!stop.signal.aborted) {
        const size = options.groupSize();
        const mayRead = !ended && !reading;
        // Values that are available at once are awaited, to fill the group; slow ones are not.
        const enough = reading && !source.isAsync ? size : 1;
        if (givenBack.length >= enough || mayRead) {
          out += 1;
          const back = takeGivenBack(size);
          const group =
            mayRead && back.length < size ? [...back, ...(await readMore(back, size))] : back;
          if (group.length > 0) {
            return group;
          }
          done();
        } else if (ended && out === 0) {
          return undefined;
        } else {
          await changed.wait(stop.signal);
        }
      }
      throw new Stopped();
    },
    giveBack(grants) {
      givenBack = [...grants, ...givenBack];
      changed.notify();
    },
    done,
  };

  function done(): void {
    out -= 1;
    changed.notify();
  }

  function takeGivenBack(size: number): G[] {
    let bytes = 0;
    const tooMany = givenBack.findIndex((grant, index) => {
      bytes += bytesOf(grant);
      return index > 0 && bytes > mostBytes;
    });
    return givenBack.splice(0, tooMany === -1 ? size : Math.min(size, tooMany));
  }

  async function readMore(group: readonly G[], size: number): Promise<readonly G[]> {
    reading = true;
    const startedMs = environment.monotonicMs();
    try {
      await options.room();
      const bytes = group.reduce((sum, grant) => sum + bytesOf(grant), 0);
      const holdsSome = group.length > 0;
      const gathered = await source.gather(size - group.length, mostBytes - bytes, holdsSome);
      ended = gathered.ended;
      return options.onRead(gathered);
    } finally {
      reading = false;
      options.onIdle(environment.monotonicMs() - startedMs);
      changed.notify();
    }
  }
}
