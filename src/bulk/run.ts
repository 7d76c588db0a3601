import type { Environment } from "../common/environment.js";
import { type InDoubt, Ledger, OutcomeQueue } from "./ledger.js";
import type { BulkOptions } from "./options.js";
import { createSummary, type Outcome, type RunningSummary, type Summary } from "./outcome.js";
import { Pace } from "./pace.js";
import { Pool } from "./pool.js";
import { type Ask, createAsk } from "./requests.js";
import { type Gathered, type Grant, type Reading, Source } from "./source.js";
import { Stop } from "./stop.js";

/** The statuses of an outcome. */
type StatusOf<O> = O extends Outcome<infer Status> ? Status : never;

/**
 * A bulk run: an async iterator of outcomes. Nothing is read or sent before it is iterated or `summary()`
 * is called; **awaiting the run itself does nothing**, as it is not a promise.
 *
 * `return()`, which leaving a loop calls, may also be called while another call waits for an outcome: nothing
 * more is sent, and it resolves when the requests in flight have settled.
 */
export interface BulkRun<O extends Outcome<string>> extends AsyncIterableIterator<O> {
  /**
   * Runs to completion and resolves with the counts, including outcomes that a loop has already consumed. For
   * programs that do not need each outcome:
   *
   * ```ts
   * const { counts, failures } = await removeUserGrants(client, ids).summary();
   * ```
   *
   * Each call returns the same promise.
   *
   * @throws what iterating throws, whether or not a loop has thrown it before; `onOutcome` has then seen every
   * outcome up to there.
   */
  summary(): Promise<Summary<StatusOf<O>>>;
}

/** One kind of bulk work. */
export interface Job<G extends Grant, Status extends string> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly options: BulkOptions<Outcome<Status | "failed">>;
  readonly environment: Environment;
  readonly concurrency: number;
  /** The most grants in one request, and the most bytes. */
  readonly batchSize: number;
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** All statuses that a grant can have. */
  readonly statuses: readonly (Status | "failed")[];
  /** The id with which this RPC reports an unknown grant. */
  readonly notFoundId: string;
  readonly read: (value: unknown) => Reading<G>;
  readonly createWork: (context: WorkContext<G, Status>) => Work<G>;
  /** Grants that requests of an earlier run held whose responses were lost. */
  readonly inDoubt?: InDoubt | undefined;
}

/** What the work of a run operates on. */
export interface WorkContext<G extends Grant, Status extends string> {
  readonly ask: Ask<G>;
  readonly ledger: Ledger<Status>;
  /** Returns undecided grants to the pool, to be requested with others. */
  readonly giveBack: (grants: readonly G[]) => void;
}

export interface Work<G extends Grant> {
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** Sends requests until each grant of the group is decided or returned to the pool. */
  readonly work: (group: readonly G[]) => Promise<void>;
}

/**
 * Starts the work when the first outcome is requested, and yields outcomes as they come. Reads no more from
 * the source than can be sent, and pauses while as many outcomes as may be in flight wait to be consumed.
 */
export function startRun<G extends Grant, Status extends string>(
  job: Job<G, Status>,
): BulkRun<Outcome<Status | "failed">> {
  let run: Run<G, Status> | undefined;
  let left = false;
  let hasThrown = false;
  let counted: Promise<Summary<Status | "failed">> | undefined;
  const take = () => {
    if (run === undefined && !left) {
      run = new Run(job);
    }
    return run?.take();
  };
  const summary = async (): Promise<Summary<Status | "failed">> => {
    while ((await take()) !== undefined) {
      // Already counted when it was emitted.
    }
    if (run?.failure !== undefined) {
      throw run.failure.thrown;
    }
    return run?.summary() ?? createSummary({ statuses: job.statuses }).current();
  };
  return {
    async next() {
      const value = await take();
      if (value !== undefined) {
        return { done: false, value };
      }
      if (run?.failure !== undefined && !left && !hasThrown) {
        hasThrown = true;
        throw run.failure.thrown;
      }
      return { done: true, value: undefined };
    },
    async return() {
      left = true;
      await run?.leave();
      return { done: true, value: undefined };
    },
    summary() {
      counted ??= summary();
      return counted;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

class Run<G extends Grant, Status extends string> {
  readonly #job: Job<G, Status>;
  readonly #stop: Stop;
  readonly #pace: Pace;
  readonly #source: Source<G>;
  readonly #ledger: Ledger<Status>;
  readonly #pool: Pool<G>;
  readonly #work: Work<G>;
  readonly #queue: OutcomeQueue<Outcome<Status | "failed">>;
  readonly #summary: RunningSummary<Status | "failed">;
  /** What `onOutcome` has returned and has not settled. */
  readonly #observing = new Set<Promise<void>>();
  readonly #finished: Promise<void>;

  constructor(job: Job<G, Status>) {
    const { options, environment, concurrency, batchSize } = job;
    const { giveUpMs = 300_000, maxPerSecond, distinct = false } = options;
    this.#job = job;
    this.#stop = new Stop(environment);
    this.#summary = createSummary({
      statuses: job.statuses,
      now: () => environment.monotonicMs(),
    });
    this.#queue = new OutcomeQueue(batchSize * concurrency);
    this.#pace = new Pace(concurrency, giveUpMs, environment, maxPerSecond);
    this.#ledger = new Ledger((outcome) => this.#emit(outcome), job.inDoubt);
    const { read, bytesOf, mostBytes } = job;
    this.#source = new Source(job.values, {
      ...{ read, bytesOf, distinct, environment },
      stop: this.#stop,
    });
    this.#pool = new Pool({
      ...{ source: this.#source, stop: this.#stop, environment, mostBytes, bytesOf },
      groupSize: () => this.#work.groupSize(),
      room: () => this.#queue.room(this.#stop.signal),
      onRead: (gathered) => this.#open(gathered),
      onIdle: (ms) => this.#pace.idled(ms),
    });
    this.#work = job.createWork({
      ask: createAsk(job, this.#pace, this.#stop, (grants) => this.#ledger.lost(grants)),
      ledger: this.#ledger,
      giveBack: (grants) => this.#pool.giveBack(grants),
    });
    this.#finished = this.#drive();
  }

  /** The next outcome; undefined when there are no more. */
  take(): Promise<Outcome<Status | "failed"> | undefined> {
    return this.#queue.take();
  }

  /** What the run throws when all outcomes are taken. */
  get failure(): { readonly thrown: unknown } | undefined {
    return this.#stop.failure;
  }

  summary(): Summary<Status | "failed"> {
    return this.#summary.current();
  }

  /** Sends no further request, and waits for those in flight. */
  async leave(): Promise<void> {
    this.#stop.left();
    this.#queue.drop();
    await this.#finished;
  }

  async #drive(): Promise<void> {
    const unfollow = this.#stop.follow(this.#job.options.signal);
    await Promise.all(Array.from({ length: this.#job.concurrency }, () => this.#worker()));
    for (const grant of await this.#source.close()) {
      this.#ledger.open(grant);
    }
    this.#ledger.finish(() => this.#stop.undecidedError);
    while (this.#observing.size > 0) {
      // An error of the last outcomes stops the run as well.
      await this.#stop.orAborted<unknown>(Promise.all(this.#observing), () =>
        this.#observing.clear(),
      );
    }
    unfollow();
    this.#queue.close();
  }

  async #worker(): Promise<void> {
    try {
      for (
        let group = await this.#pool.take();
        group !== undefined;
        group = await this.#pool.take()
      ) {
        await this.#work.work(group);
        this.#pool.done();
      }
    } catch (error) {
      this.#stop.becauseOfThrown(error);
    }
  }

  /** Records in the ledger what was read, and returns the part of it that is to be requested. */
  #open({ grants, rejected, failure }: Gathered<G>): readonly G[] {
    for (const { grantId, error } of rejected) {
      this.#emit({ grantId, status: "failed", error });
    }
    const opened = grants.filter((grant) => this.#ledger.open(grant));
    if (failure !== undefined) {
      this.#stop.becauseOfThrown(
        failure.error,
        "the source of grants ended with an error before this grant was asked for",
      );
    }
    return opened;
  }

  #emit(outcome: Outcome<Status | "failed">): void {
    this.#summary.add(outcome);
    try {
      const seen: unknown = this.#job.options.onOutcome?.(outcome);
      if (isThenable(seen)) {
        const observing: Promise<void> = Promise.resolve(seen)
          .then(
            () => undefined,
            (error) => this.#stop.becauseOfThrown(error),
          )
          .finally(() => this.#observing.delete(observing));
        this.#observing.add(observing);
      }
    } catch (error) {
      this.#stop.becauseOfThrown(error);
    }
    this.#queue.push(outcome);
  }
}

/** A promise, also of another library or realm. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
