import type { ConnectError } from "@connectrpc/connect";
import type { Environment } from "./environment.js";

/** A grant to ask for. */
export interface Grant {
  readonly grantId: string;
}

/** What a value of the source is: a grant and the bytes it takes in a request, or one that is not asked for. */
export type Reading<G extends Grant> =
  | { readonly grant: G; readonly bytes: number }
  | { readonly refused: ConnectError; readonly grantId: string };

/** What was gathered for one request. */
export interface Gathered<G extends Grant> {
  readonly grants: readonly G[];
  readonly refused: readonly { readonly grantId: string; readonly error: ConnectError }[];
  /** Whether the source has no more, or ended with an error. */
  readonly ended: boolean;
  readonly failure?: { readonly error: unknown };
}

/** The most entries that a JavaScript `Set` takes. */
export const mostSeen = 2 ** 24;

/** How long a slow source holds back the grants that it has already given, before they are sent. */
const lingerMs = 100;

export interface SourceOptions<G extends Grant> {
  readonly read: (value: unknown) => Reading<G>;
  readonly distinct: boolean;
  readonly batchSize: number;
  readonly batchBytes: number;
  readonly environment: Environment;
  /** When it is aborted, a value that has not come yet is no longer waited for. */
  readonly stop: AbortSignal;
  readonly mostSeen?: number | undefined;
}

/** Reads the grants of a run from its caller's iterable: one batch at a time, each grant once. */
export class Source<G extends Grant> {
  readonly #options: SourceOptions<G>;
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #isAsync: boolean;
  readonly #seen: Set<string> | undefined;
  /** Whether a value was asked for and not taken yet, what has come of it, and who waits for it. */
  #asked = false;
  #arrived: { result: IteratorResult<unknown> } | { error: unknown } | undefined;
  #wake: (() => void) | undefined;
  /** A grant that did not fit into the last batch. */
  #leftover: { grant: G; bytes: number } | undefined;
  #ended = false;
  #exhausted = false;

  constructor(values: Iterable<unknown> | AsyncIterable<unknown>, options: SourceOptions<G>) {
    this.#options = options;
    this.#isAsync = Symbol.asyncIterator in values;
    this.#iterator = openIterator(values);
    this.#seen = options.distinct ? undefined : new Set();
    options.stop.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  /** Reads one batch. Never throws; what the source throws is the `failure`. */
  async gather(): Promise<Gathered<G>> {
    const batch = new Gathering<G>();
    const { batchSize, batchBytes, read } = this.#options;
    let gathered: AbortController | undefined;
    let bytes = 0;
    try {
      if (this.#leftover !== undefined) {
        batch.add(this.#leftover);
        bytes = this.#leftover.bytes;
        this.#leftover = undefined;
      }
      while (!this.#ended && batch.grants.length + batch.refused.length < batchSize) {
        if (batch.grants.length > 0 && this.#isAsync && gathered === undefined) {
          gathered = new AbortController();
          void this.#linger(gathered.signal);
        }
        const result = this.#isAsync
          ? await this.#pull()
          : (this.#iterator.next() as IteratorResult<unknown>);
        if (result === undefined) {
          break;
        }
        if (result.done === true) {
          this.#ended = true;
          this.#exhausted = true;
          break;
        }
        const reading = read(result.value);
        if (!this.#isNew(idOf(reading))) {
          continue;
        }
        if ("grant" in reading) {
          if (batch.grants.length > 0 && bytes + reading.bytes > batchBytes) {
            this.#leftover = reading;
            break;
          }
          bytes += reading.bytes;
        }
        batch.add(reading);
      }
    } catch (error) {
      this.#ended = true;
      return { ...batch, ended: true, failure: { error } };
    } finally {
      gathered?.abort();
    }
    return { ...batch, ended: this.#ended && this.#leftover === undefined };
  }

  /** Tells the source that nothing more is read. Returns what was read and is in no batch. */
  async close(): Promise<Gathered<G>> {
    const rest = new Gathering<G>();
    if (this.#leftover !== undefined) {
      rest.grants.push(this.#leftover.grant);
    }
    const late = this.#arrived;
    try {
      if (late !== undefined && "result" in late && late.result.done !== true) {
        const reading = this.#options.read(late.result.value);
        if (this.#isNew(idOf(reading))) {
          rest.add(reading);
        }
      }
    } catch {
      // One too many: the run has ended for another reason, which is the one to tell.
    }
    if (!this.#exhausted) {
      try {
        const returned = this.#iterator.return?.();
        if (!this.#asked || late !== undefined) {
          await returned;
        } else {
          // A generator ends only when the value it works on has come, which may be never.
          Promise.resolve(returned).catch(() => undefined);
        }
      } catch {
        // As above.
      }
    }
    return { ...rest, ended: true };
  }

  #isNew(grantId: string): boolean {
    const seen = this.#seen;
    if (seen === undefined) {
      return true;
    }
    if (seen.has(grantId)) {
      return false;
    }
    if (seen.size >= (this.#options.mostSeen ?? mostSeen)) {
      throw new RangeError(
        `more than ${seen.size} different grants: their ids cannot be told apart any more, since a Set ends there. Where each id comes once, say distinct: true`,
      );
    }
    seen.add(grantId);
    return true;
  }

  /** The next value; undefined when it is no longer waited for. */
  async #pull(): Promise<IteratorResult<unknown> | undefined> {
    if (this.#options.stop.aborted) {
      return undefined;
    }
    if (!this.#asked) {
      const next = Promise.resolve(this.#iterator.next());
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
    return arrived.result;
  }

  #arrive(arrived: { result: IteratorResult<unknown> } | { error: unknown }): void {
    this.#arrived = arrived;
    this.#wake?.();
  }

  async #linger(signal: AbortSignal): Promise<void> {
    await this.#options.environment.sleep(lingerMs, signal);
    if (!signal.aborted) {
      this.#wake?.();
    }
  }
}

class Gathering<G extends Grant> {
  readonly grants: G[] = [];
  readonly refused: { grantId: string; error: ConnectError }[] = [];

  add(reading: Reading<G>): void {
    if ("refused" in reading) {
      this.refused.push({ grantId: reading.grantId, error: reading.refused });
    } else {
      this.grants.push(reading.grant);
    }
  }
}

function idOf<G extends Grant>(reading: Reading<G>): string {
  return "grant" in reading ? reading.grant.grantId : reading.grantId;
}

function openIterator(
  values: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncIterator<unknown> | Iterator<unknown> {
  return Symbol.asyncIterator in values
    ? values[Symbol.asyncIterator]()
    : values[Symbol.iterator]();
}
