import type { ConnectError } from "@connectrpc/connect";
import { type Environment, sleep } from "../common/environment.js";
import type { Stop } from "./stop.js";

/** A grant to request. */
export interface Grant {
  readonly grantId: string;
}

/** A value of the source: a grant, or one that is not requested. */
export type Reading<G extends Grant> =
  | { readonly grant: G }
  | {
      readonly rejected: ConnectError;
      readonly grantId: string;
      /** `grantId` is not an id but a description of the value: others with the same description are not duplicates. */
      readonly isDescribed: boolean;
    };

/** A value that is not requested. */
interface Rejected {
  readonly grantId: string;
  readonly error: ConnectError;
}

/** What was gathered for one request. */
export interface Gathered<G extends Grant> {
  readonly grants: readonly G[];
  readonly rejected: readonly Rejected[];
  /** Whether the source is exhausted, or failed with an error. */
  readonly ended: boolean;
  readonly failure?: { readonly error: unknown };
}

/** The most entries that a JavaScript `Set` can hold. */
const mostSeen = 2 ** 24;

/**
 * Timers get their turn after so many grants, or a fiftieth of as many values that lead to no request
 * (duplicates, and what is not an id): a run can be aborted though nothing in it waits for the network.
 */
const mostAtOnce = 20_000;

/** How long a slow source delays grants that it has already yielded, before they are sent. */
const lingerMs = 100;

export interface SourceOptions<G extends Grant> {
  readonly read: (value: unknown) => Reading<G>;
  readonly distinct: boolean;
  /** What a grant takes of a request, in bytes. */
  readonly bytesOf: (grant: G) => number;
  readonly environment: Environment;
  /** Once the run stops, a pending value is no longer awaited. */
  readonly stop: Stop;
  readonly mostSeen?: number | undefined;
}

/** Reads the grants of a run from the caller's iterable: one batch at a time, each grant once. */
export class Source<G extends Grant> {
  readonly #options: SourceOptions<G>;
  readonly #values: Iterable<unknown> | AsyncIterable<unknown>;
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  /** Whether a value may take time to arrive. */
  readonly isAsync: boolean;
  readonly #seen: Set<string> | undefined;
  /** Whether a value was requested and not taken yet, its result, and who waits for it. */
  #asked = false;
  #arrived: { result: IteratorResult<unknown> } | { error: unknown } | undefined;
  #wake: (() => void) | undefined;
  /** A grant that did not fit into the last request. */
  #leftover: { grant: G } | undefined;
  #ended = false;
  #exhausted = false;
  #sinceTurn = 0;

  constructor(values: Iterable<unknown> | AsyncIterable<unknown>, options: SourceOptions<G>) {
    this.#options = options;
    this.#values = values;
    this.isAsync = Symbol.asyncIterator in values;
    this.#seen = options.distinct ? undefined : new Set();
    options.stop.signal.addEventListener("abort", () => this.#wake?.());
  }

  /**
   * Reads grants for one request: at most this many and this many bytes, but at least one grant unless the
   * request already holds some. Never throws; an error of the source becomes the `failure`.
   */
  async gather(most: number, mostBytes: number, holdsSome: boolean): Promise<Gathered<G>> {
    const { bytesOf, environment } = this.#options;
    const grants: G[] = [];
    const rejected: Rejected[] = [];
    const enough = new AbortController();
    let isLingering = false;
    let bytes = 0;
    try {
      while (grants.length + rejected.length < most) {
        if (this.isAsync && !isLingering && (holdsSome || grants.length > 0)) {
          isLingering = true;
          void sleep(environment, lingerMs, enough.signal).then(
            () => enough.signal.aborted || this.#wake?.(),
          );
        }
        const reading = this.#leftover ?? (await this.#read());
        if (reading === undefined) {
          break;
        }
        this.#leftover = undefined;
        if ("rejected" in reading) {
          rejected.push({ grantId: reading.grantId, error: reading.rejected });
          continue;
        }
        bytes += bytesOf(reading.grant);
        if (bytes > mostBytes && (holdsSome || grants.length > 0)) {
          this.#leftover = reading;
          break;
        }
        grants.push(reading.grant);
      }
    } catch (error) {
      this.#ended = true;
      return { grants, rejected, ended: true, failure: { error } };
    } finally {
      enough.abort();
    }
    return { grants, rejected, ended: this.#ended && this.#leftover === undefined };
  }

  /** What the next value is that is no duplicate; undefined if there is none, or none is awaited any more. */
  async #read(): Promise<Reading<G> | undefined> {
    const { environment, read, stop } = this.#options;
    while (!this.#ended && !stop.signal.aborted) {
      const result = this.isAsync ? await this.#pull() : checkResult(this.#open().next());
      if (result === undefined) {
        return undefined;
      }
      if (result.done === true) {
        this.#ended = true;
        this.#exhausted = true;
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

  /**
   * Tells the source that no more is read, and waits until it has done so; after an abort, no longer than a
   * second. Returns what was read and is in no batch.
   */
  async close(): Promise<readonly G[]> {
    if (!this.#exhausted) {
      try {
        const returned = Promise.resolve(this.#iterator?.return?.());
        returned.catch(() => undefined);
        // A generator returns only after the value it works on has arrived, which may never happen.
        if (!this.#asked || this.#arrived !== undefined) {
          await this.#options.stop.orAborted<unknown>(returned, () => undefined);
        }
      } catch {
        // The run has stopped for another reason, which is the one to report.
      }
    }
    return this.#leftover === undefined ? [] : [this.#leftover.grant];
  }

  #open(): AsyncIterator<unknown> | Iterator<unknown> {
    const values = this.#values;
    this.#iterator ??=
      Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
    return this.#iterator;
  }

  #isNew(reading: Reading<G>): boolean {
    const seen = this.#seen;
    if (seen === undefined || ("isDescribed" in reading && reading.isDescribed)) {
      return true;
    }
    const { grantId } = "grant" in reading ? reading.grant : reading;
    if (seen.has(grantId)) {
      return false;
    }
    if (seen.size >= (this.#options.mostSeen ?? mostSeen)) {
      throw new RangeError(
        `more than ${seen.size} different grants: their ids no longer fit into a Set, so duplicates cannot be detected. If every id occurs only once, pass distinct: true`,
      );
    }
    seen.add(grantId);
    return true;
  }

  /** The next value; undefined if it is no longer awaited. */
  async #pull(): Promise<IteratorResult<unknown> | undefined> {
    if (!this.#asked) {
      const next = Promise.resolve(this.#open().next());
      this.#asked = true;
      next.then(
        (result) => this.#arrive({ result }),
        (error) => this.#arrive({ error }),
      );
    }
    if (this.#arrived === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const arrived = this.#arrived;
    if (arrived === undefined) {
      return undefined;
    }
    this.#arrived = undefined;
    this.#asked = false;
    if ("error" in arrived) {
      throw arrived.error;
    }
    return checkResult(arrived.result);
  }

  #arrive(arrived: { result: IteratorResult<unknown> } | { error: unknown }): void {
    this.#arrived = arrived;
    this.#wake?.();
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
