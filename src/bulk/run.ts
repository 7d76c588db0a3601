import { GroupSizes } from "./group-sizes.js";
import { type InDoubt, Ledger, OutcomeQueue } from "./ledger.js";
import type { BulkOptions } from "./options.js";
import { createSummary, type Outcome, type RunningSummary, type Summary } from "./outcome.js";
import { Pace } from "./pace.js";
import { type Grant, Pool, type Reading } from "./pool.js";
import { createAsk, type RequestsOptions } from "./requests.js";
import { Stop } from "./stop.js";
import { createWork, type WorkOptions } from "./work.js";

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
export interface Job<G extends Grant, Status extends string>
  extends RequestsOptions<G>,
    WorkOptions<Status> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly options: BulkOptions<Outcome<Status | "failed">>;
  readonly concurrency: number;
  /** The most grants in one request. */
  readonly batchSize: number;
  /** All statuses that a grant can have. */
  readonly statuses: readonly (Status | "failed")[];
  readonly read: (value: unknown) => Reading<G>;
  /** Grants that requests of an earlier run held whose responses were lost. */
  readonly inDoubt?: InDoubt | undefined;
}

/**
 * Starts the work when the first outcome is requested, and yields outcomes as they come. Reads no more from
 * the source than can be sent, and pauses while as many outcomes as may be in flight wait to be consumed.
 */
export function startRun<G extends Grant, Status extends string>(
  job: Job<G, Status>,
): BulkRun<Outcome<Status | "failed">> {
  let run: Running<Status | "failed"> | undefined;
  let left = false;
  let hasThrown = false;
  let counted: Promise<Summary<Status | "failed">> | undefined;
  const take = () => {
    if (run === undefined && !left) {
      run = start(job);
    }
    return run?.queue.take();
  };
  const summary = async () => {
    while ((await take()) !== undefined) {
      // Already counted when it was emitted.
    }
    await run?.finished;
    const failure = run?.stop.failure;
    if (failure !== undefined) {
      throw failure.thrown;
    }
    return (run?.counts ?? createSummary({ statuses: job.statuses })).current();
  };
  return {
    async next() {
      const value = await take();
      if (value !== undefined) {
        return { done: false, value };
      }
      const failure = run?.stop.failure;
      if (failure !== undefined && !left && !hasThrown) {
        hasThrown = true;
        throw failure.thrown;
      }
      return { done: true, value: undefined };
    },
    async return() {
      left = true;
      run?.stop.left();
      run?.queue.drop();
      await run?.finished;
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

interface Running<Status extends string> {
  readonly stop: Stop;
  readonly queue: OutcomeQueue<Outcome<Status>>;
  readonly counts: RunningSummary<Status>;
  /** Resolves when every grant that was read has its outcome, and `onOutcome` has settled. */
  readonly finished: Promise<void>;
}

function start<G extends Grant, Status extends string>(
  job: Job<G, Status>,
): Running<Status | "failed"> {
  const { values, options, environment, concurrency, batchSize, read } = job;
  const { distinct = false, timeoutMs = 30_000, giveUpMs = 300_000 } = options;
  const { maxPerSecond, onOutcome, signal } = options;
  const stop = new Stop(environment);
  const pace = new Pace(concurrency, timeoutMs, giveUpMs, maxPerSecond, environment);
  const counts = createSummary({ statuses: job.statuses, now: () => environment.monotonicMs() });
  const queue = new OutcomeQueue<Outcome<Status | "failed">>(batchSize * concurrency);
  /** What `onOutcome` has returned and has not settled. */
  const observing = new Set<Promise<unknown>>();
  const ledger = new Ledger<Status>(emit, job.inDoubt);
  const sizes = new GroupSizes(batchSize);
  const pool = new Pool<G>({
    ...{ values, read, distinct, environment, stop },
    groupSize: () => sizes.first,
    room: () => queue.room(stop.signal),
    open: (grant) => ledger.open(grant),
    reject: (grantId, error) => emit({ grantId, status: "failed", error }),
    onIdle: (ms) => pace.idled(ms),
  });
  const ask = createAsk(job, pace, stop, (grants) => ledger.lost(grants));
  const work = createWork(job, sizes, ask, pace, ledger, pool);
  return { stop, queue, counts, finished: drive() };

  async function drive(): Promise<void> {
    const unfollow = stop.follow(signal);
    await Promise.all(Array.from({ length: concurrency }, send));
    await pool.close();
    ledger.finish(stop.undecidedError);
    // An error of the last outcomes stops the run as well.
    await stop.orAborted(Promise.all(observing));
    unfollow();
    queue.close();
  }

  async function send(): Promise<void> {
    try {
      for (let batch = await pool.take(); batch !== undefined; batch = await pool.take()) {
        await work(batch);
        pool.done();
      }
    } catch (error) {
      stop.becauseOfThrown(error);
    }
  }

  function emit(outcome: Outcome<Status | "failed">): void {
    counts.add(outcome);
    if (onOutcome !== undefined) {
      const observed: Promise<unknown> = (async () => await onOutcome(outcome))()
        .catch((error) => stop.becauseOfThrown(error))
        .finally(() => observing.delete(observed));
      observing.add(observed);
    }
    queue.push(outcome);
  }
}
