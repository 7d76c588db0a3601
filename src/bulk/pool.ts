import { Code, ConnectError } from "@connectrpc/connect";
import { type Environment, sleep } from "../common/time.js";
import { neverSent } from "../errors/certainty.js";
import { mostRequestBytes, requestBytes } from "./options.js";
import { Notifier, type Stop, Stopped } from "./stop.js";

/** A grant to request. */
export interface Grant {
  readonly grantId: string;
}

/** The grants for one request, and what is known of earlier ones that held all of them. */
export interface Batch<G extends Grant> {
  readonly grants: readonly G[];
  /** How many of those were lost: they may have been applied, though no response says so. */
  readonly losses: number;
  /** How many requests of the run the server had accepted when the last of those failed; infinite if none did. */
  readonly accepted: number;
}

/** A value of the caller's iterable: a grant, or one that is not requested. */
export type Reading<G extends Grant> =
  | { readonly grant: G }
  | { readonly id: unknown; readonly problem: string };

export interface PoolOptions<G extends Grant> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly read: (value: unknown) => Reading<G>;
  readonly distinct: boolean;
  readonly environment: Environment;
  readonly stop: Stop;
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** Resolves when more may be read. */
  readonly room: () => Promise<void>;
  /** A grant was read. Returns false for one that is waiting for its outcome already. */
  readonly open: (grant: G) => boolean;
  /** A value was read that is not requested. */
  readonly reject: (grantId: string, error: ConnectError) => void;
  /** For this many milliseconds no request could be sent, since there was nothing to request. */
  readonly onIdle: (ms: number) => void;
}

/**
 * Timers get their turn after so many grants, or a fiftieth of as many values that lead to no request
 * (duplicates, and what is not an id): a run can be aborted though nothing in it waits for the network.
 */
const mostAtOnce = 20_000;

/** How long a slow source delays grants that it has already yielded, before they are sent. */
const lingerMs = 100;

/**
 * The grants that are to be requested: first those whose request was lost, then others that were returned, then
 * the caller's, each once. A single grant whose request was lost takes turns with others: they show whether it
 * is the cause. Reads no more of the caller's than the next request holds.
 */
export class Pool<G extends Grant> {
  readonly #options: PoolOptions<G>;
  readonly #changed = new Notifier();
  /** Whether a value of the caller's may take time to arrive. */
  readonly #isAsync: boolean;
  readonly #seen: Set<string> | undefined;
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  /** Undecided grants that are in no request. */
  #waiting: G[] = [];
  /** Batches whose request was lost, in the order of their next attempt. */
  readonly #lost: Batch<G>[] = [];
  #isTurnOfLost = true;
  /** Batches that were taken and may still return grants. */
  #out = 0;
  #reading = false;
  #ended = false;
  #sinceTurn = 0;
  /** A value that was requested and not taken yet. */
  #next: Promise<IteratorResult<unknown>> | undefined;

  constructor(options: PoolOptions<G>) {
    this.#options = options;
    this.#isAsync = Symbol.asyncIterator in options.values;
    this.#seen = options.distinct ? undefined : new Set();
  }

  /**
   * The grants for the next request, or undefined if there are no more. `done` is called when they are
   * decided or returned.
   *
   * @throws Stopped when the run stops.
   */
  async take(): Promise<Batch<G> | undefined> {
    const { groupSize, stop } = this.#options;
    while (!stop.signal.aborted) {
      const size = groupSize();
      const mayRead = !this.#ended && !this.#reading;
      // Values that are available at once are awaited, to fill the group; slow ones are not.
      const enough = this.#reading && !this.#isAsync ? size : 1;
      const hasOthers = this.#waiting.length >= enough || mayRead;
      const [lost] = this.#lost;
      if (lost !== undefined && (lost.grants.length > 1 || this.#isTurnOfLost || !hasOthers)) {
        this.#out += 1;
        this.#lost.shift();
        this.#isTurnOfLost = lost.grants.length > 1;
        return lost;
      }
      if (hasOthers) {
        this.#out += 1;
        this.#isTurnOfLost = true;
        const grants = this.#takeWaiting(size);
        if (mayRead && this.#waiting.length === 0) {
          await this.#fill(grants, size);
        }
        if (grants.length > 0) {
          return { grants, losses: 0, accepted: Number.POSITIVE_INFINITY };
        }
        this.done();
      } else if (this.#ended && this.#out === 0) {
        return undefined;
      } else {
        await this.#changed.wait(stop.signal);
      }
    }
    throw new Stopped();
  }

  /** These are undecided and in no request: they are requested again, before all others. */
  giveBack(grants: readonly G[]): void {
    this.#waiting = [...grants, ...this.#waiting];
    this.#changed.notify();
  }

  /** The request for these was lost: they are requested again, with no others. */
  putBack(batch: Batch<G>): void {
    this.#lost.push(batch);
    this.#changed.notify();
  }

  /** A batch that was taken is finished. */
  done(): void {
    this.#out -= 1;
    if (this.#ended && this.#out === 0) {
      this.#changed.notify();
    }
  }

  #takeWaiting(size: number): G[] {
    let bytes = 0;
    const tooMany = this.#waiting.findIndex((grant, index) => {
      bytes += requestBytes(grant.grantId);
      return index > 0 && bytes > mostRequestBytes;
    });
    return this.#waiting.splice(0, tooMany === -1 ? size : Math.min(size, tooMany));
  }

  /** Adds grants of the caller's. An error of the source stops the run. */
  async #fill(group: G[], size: number): Promise<void> {
    const { environment, stop, room, reject, onIdle } = this.#options;
    const startedMs = environment.monotonicMs();
    const over = new AbortController();
    const end = () => over.abort();
    stop.signal.addEventListener("abort", end);
    const wait = (ms: number) => sleep(environment, ms, over.signal, { background: true });
    let enough = wait(this.#lost.length > 0 ? lingerMs : Number.POSITIVE_INFINITY);
    let rejected = 0;
    let bytes = group.reduce((sum, { grantId }) => sum + requestBytes(grantId), 0);
    this.#reading = true;
    try {
      await room();
      while (group.length + rejected < size) {
        const reading = await this.#read(enough);
        if (reading === undefined) {
          break;
        }
        if ("problem" in reading) {
          rejected += 1;
          const error = new ConnectError(reading.problem, Code.InvalidArgument);
          reject(nameOf(reading.id), neverSent(error));
          continue;
        }
        bytes += requestBytes(reading.grant.grantId);
        if (bytes > mostRequestBytes && group.length > 0) {
          this.#waiting.push(reading.grant);
          break;
        }
        group.push(reading.grant);
        if (this.#isAsync && group.length === 1) {
          enough = wait(lingerMs);
        }
      }
    } catch (error) {
      this.#ended = true;
      stop.becauseOfThrown(
        error,
        "the source of grants ended with an error before this grant was asked for",
      );
    } finally {
      end();
      stop.signal.removeEventListener("abort", end);
      this.#reading = false;
      onIdle(environment.monotonicMs() - startedMs);
      this.#changed.notify();
    }
  }

  /**
   * The next value that is no duplicate; undefined if there is none.
   *
   * @param enough resolves when none is awaited any more.
   */
  async #read(enough: Promise<void>): Promise<Reading<G> | undefined> {
    const { environment, read, stop } = this.#options;
    while (!this.#ended && !stop.signal.aborted) {
      const result = this.#isAsync ? await this.#pull(enough) : checkResult(this.#open().next());
      if (result === undefined) {
        return undefined;
      }
      if (result.done === true) {
        this.#ended = true;
        this.#iterator = undefined;
        return undefined;
      }
      const reading = read(result.value);
      const isNew = this.#isNew(reading);
      this.#sinceTurn += isNew && "grant" in reading ? 1 : 50;
      if (this.#sinceTurn >= mostAtOnce) {
        this.#sinceTurn = 0;
        await sleep(environment, 0, stop.signal);
      }
      if (isNew) {
        return reading;
      }
    }
    return undefined;
  }

  /** The next value of an asynchronous source; undefined if it is no longer awaited. */
  async #pull(enough: Promise<void>): Promise<IteratorResult<unknown> | undefined> {
    this.#next ??= Promise.resolve(this.#open().next()).then(checkResult);
    const result = await Promise.race([this.#next, enough]);
    if (result !== undefined) {
      this.#next = undefined;
    }
    return result ?? undefined;
  }

  #isNew(reading: Reading<G>): boolean {
    const grantId = "grant" in reading ? reading.grant.grantId : reading.id;
    if (typeof grantId === "string") {
      if (this.#seen?.has(grantId)) {
        return false;
      }
      // Throws a RangeError when a `Set` can hold no more.
      this.#seen?.add(grantId);
    }
    return "problem" in reading || this.#options.open(reading.grant);
  }

  #open(): AsyncIterator<unknown> | Iterator<unknown> {
    const { values } = this.#options;
    this.#iterator ??=
      Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
    return this.#iterator;
  }

  /**
   * Tells the source that no more is read, and waits until it has done so; after an abort, no longer than a
   * second.
   */
  async close(): Promise<void> {
    // If it fails, the run has stopped for another reason, which is the one to report.
    const returned = (async () => await this.#iterator?.return?.())().catch(() => undefined);
    // A generator returns only after the value it works on has arrived, which may never happen.
    if (this.#next === undefined) {
      await this.#options.stop.orAborted(returned);
    }
  }
}

/** @throws TypeError for what no iterator may return from `next()`, as `for await` does. */
function checkResult(result: unknown): IteratorResult<unknown> {
  if (typeof result !== "object" || result === null) {
    throw new TypeError(
      `next() of the grants' iterator must return an object, got ${String(result)}`,
    );
  }
  return result as IteratorResult<unknown>;
}

/** How a value is shown in its outcome: the id, or a description of what is none. */
function nameOf(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value)
    : String(value);
}
