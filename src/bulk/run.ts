import { Code, ConnectError } from "@connectrpc/connect";
import type { Job, Work } from "./job.js";
import { Ledger } from "./ledger.js";
import type { Outcome } from "./outcome.js";
import { OutcomeQueue } from "./outcome-queue.js";
import { Pace } from "./pace.js";
import { Pool } from "./pool.js";
import { Requests } from "./requests.js";
import { type Gathered, type Grant, Source } from "./source.js";
import { Stop } from "./stop.js";
import { createSummary, type RunningSummary, type Summary } from "./summary.js";
import { Waves } from "./waves.js";

/** The statuses of an outcome. */
type StatusOf<O> = O extends Outcome<infer Status> ? Status : never;

/**
 * A bulk run: an async iterator of outcomes. Nothing is read or sent before it is iterated or `summary()`
 * is called; **awaiting the run itself does nothing**, as it is not a promise.
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
   * @throws what iterating throws; `onOutcome` has then seen every outcome up to there.
   */
  summary(): Promise<Summary<StatusOf<O>>>;
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
  let counted: Promise<Summary<Status | "failed">> | undefined;
  const next = async (): Promise<IteratorResult<Outcome<Status | "failed">>> => {
    if (run === undefined && left) {
      return { done: true, value: undefined };
    }
    run ??= new Run(job);
    return run.next();
  };
  const summary = async (): Promise<Summary<Status | "failed">> => {
    while ((await next()).done !== true) {
      // Already counted when it was emitted.
    }
    return run?.summary() ?? createSummary({ statuses: job.statuses }).current();
  };
  return {
    next,
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
  readonly #stop = new Stop();
  readonly #pace: Pace;
  readonly #source: Source<G>;
  readonly #ledger: Ledger<Status>;
  readonly #pool: Pool<G>;
  readonly #work: Work<G>;
  readonly #queue: OutcomeQueue<Outcome<Status | "failed">>;
  readonly #summary: RunningSummary<Status | "failed">;
  readonly #finished: Promise<void>;
  #left = false;

  constructor(job: Job<G, Status>) {
    const { options, environment, concurrency, batchSize } = job;
    const { giveUpMs = 300_000, maxPerSecond, distinct = false } = options;
    this.#job = job;
    this.#summary = createSummary({
      statuses: job.statuses,
      now: () => environment.monotonicMs(),
    });
    this.#queue = new OutcomeQueue(batchSize * concurrency, this.#stop.signal);
    this.#pace = new Pace(concurrency, giveUpMs, environment, maxPerSecond);
    this.#ledger = new Ledger((outcome) => this.#emit(outcome), job.earlier);
    const { read, bytesOf, mostBytes } = job;
    this.#source = new Source(job.values, {
      ...{ read, bytesOf, distinct, environment },
      stop: this.#stop.signal,
    });
    // If the request rate is the limit, no request is made smaller.
    const waves = maxPerSecond === undefined ? new Waves(concurrency) : undefined;
    this.#pool = new Pool({
      ...{ source: this.#source, stop: this.#stop, environment, mostBytes, bytesOf },
      count: countOf(job.values),
      groupSize: (left) => {
        const size = this.#work.groupSize();
        return waves?.size(size, left) ?? size;
      },
      room: () => this.#queue.room(this.#stop.signal),
      onTake: () => waves?.started(),
      onRead: (gathered) => this.#open(gathered),
      onIdle: (ms) => this.#pace.idled(ms),
    });
    const requests = new Requests<G>(job, this.#pace, this.#ledger, this.#stop);
    this.#work = job.createWork({
      ask: requests.ask,
      ledger: this.#ledger,
      giveBack: (grants) => this.#pool.giveBack(grants),
    });
    this.#finished = this.#drive();
  }

  async next(): Promise<IteratorResult<Outcome<Status | "failed">>> {
    const value = await this.#queue.take();
    if (value !== undefined) {
      return { done: false, value };
    }
    const { reason } = this.#stop;
    if (reason !== undefined && !this.#left) {
      this.#left = true;
      throw reason.thrown;
    }
    return { done: true, value: undefined };
  }

  summary(): Summary<Status | "failed"> {
    return this.#summary.current();
  }

  /** Sends no further request, and waits for those in flight. */
  async leave(): Promise<void> {
    this.#left = true;
    this.#queue.drop();
    this.#stop.because(
      new ConnectError("the run was left before this grant was decided", Code.Canceled),
    );
    await this.#finished;
  }

  async #drive(): Promise<void> {
    const unfollow = this.#stop.follow(this.#job.options.signal);
    await Promise.all(Array.from({ length: this.#job.concurrency }, () => this.#worker()));
    unfollow();
    this.#open(await this.#source.close());
    this.#ledger.finish(() => this.#stop.undecidedError);
    this.#queue.close();
  }

  async #worker(): Promise<void> {
    try {
      for (;;) {
        await this.#pace.ready(this.#pool.over);
        const group = await this.#pool.take();
        if (group === undefined) {
          return;
        }
        try {
          await this.#work.work(group);
        } finally {
          this.#pool.done();
        }
      }
    } catch (error) {
      this.#stop.becauseOfThrown(
        error,
        "the run ended with an error before this grant was decided",
      );
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
      if (seen instanceof Promise) {
        seen.catch((error) => this.#stop.becauseOfThrown(error));
      }
    } catch (error) {
      this.#stop.becauseOfThrown(error);
    }
    this.#queue.push(outcome);
  }
}

/** The most values that there can be, where their length or size tells without reading them. */
function countOf(values: Iterable<unknown> | AsyncIterable<unknown>): number {
  const { length, size } = values as { readonly length?: unknown; readonly size?: unknown };
  const count = length ?? size;
  return typeof count === "number" && count >= 0 ? count : Number.POSITIVE_INFINITY;
}
