import type { CallOptions } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { retrySwitch } from "../client/interceptors/retry-switch.js";
import { Batch } from "./batch.js";
import { classify, retryAfterMs } from "./classify.js";
import type { Environment } from "./environment.js";
import type { LostAnswers } from "./lost-answers.js";
import type { BulkOptions } from "./options.js";
import type { Outcome } from "./outcome.js";
import { Pace } from "./pace.js";
import { type Gathered, type Grant, type Reading, Source } from "./source.js";
import { NotSent, Stopped } from "./stopped.js";
import { createSummary, type Summary } from "./summary.js";

/** A request that was refused for pressure, or whose answer was lost, so many times has failed. */
const mostAttempts = 5;

/** What became of a request, after as many attempts as it took. */
export type Answer =
  | { readonly kind: "ok" }
  | {
      readonly kind: "not-found" | "inactive" | "refused" | "too-large";
      readonly error: ConnectError;
    }
  /** The server does not take it, or does not say what became of it. */
  | { readonly kind: "pressed" | "lost"; readonly error: ConnectError };

/** Makes one request for some grants of a batch, and makes it again while that can help. */
export type Ask<G extends Grant> = (
  grants: readonly G[],
  send: (options: CallOptions) => Promise<unknown>,
  attempts?: number,
) => Promise<Answer>;

/**
 * A bulk run: an async iterator of outcomes. Nothing is read or sent before it is iterated or `summary()`
 * is called; **awaiting the run itself does nothing**, as it is no promise.
 */
export interface BulkRun<O> extends AsyncIterableIterator<O> {
  /**
   * Carries out what is left of the run and resolves with its counts, those of outcomes that a loop has
   * taken before included. For programs that need no outcome of their own:
   *
   * ```ts
   * const { counts, failures } = await removeUserGrants(client, ids).summary();
   * ```
   *
   * Each call returns the same promise.
   *
   * @throws what iterating throws; `onOutcome` has then seen every outcome up to there.
   */
  summary(): Promise<Summary>;
}

/** One kind of bulk work. */
export interface Job<G extends Grant, Status extends string> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly options: BulkOptions<Outcome<Status | "failed">>;
  readonly environment: Environment;
  readonly concurrency: number;
  readonly batchSize: number;
  readonly batchBytes: number;
  /** The id with which this RPC says that a grant is unknown. */
  readonly notFoundId: string;
  readonly read: (value: unknown) => Reading<G>;
  /** Asks until each grant of the batch is decided. */
  readonly work: (batch: Batch<G, Status>, ask: Ask<G>) => Promise<void>;
  /** Requests of an earlier run whose answers never came. */
  readonly earlier?: LostAnswers | undefined;
  readonly mostSeen?: number | undefined;
}

/**
 * Starts the work when its first outcome is asked for, and gives the outcomes as they come. Nothing
 * more is read from the source than can be sent, nor while the outcomes of all that may be in flight
 * wait to be taken.
 */
export function startRun<G extends Grant, Status extends string>(
  job: Job<G, Status>,
): BulkRun<Outcome<Status | "failed">> {
  let run: Run<G, Status> | undefined;
  let left = false;
  let counted: Promise<Summary> | undefined;
  const next = async (): Promise<IteratorResult<Outcome<Status | "failed">>> => {
    if (run === undefined && left) {
      return { done: true, value: undefined };
    }
    run ??= new Run(job);
    return run.next();
  };
  const summary = async (): Promise<Summary> => {
    while ((await next()).done !== true) {
      // Counted where it was emitted.
    }
    return run?.summary() ?? createSummary().current();
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
  readonly #pace: Pace;
  readonly #source: Source<G>;
  /** Aborted when no further request is made. */
  readonly #stop = new AbortController();
  /** Aborted when requests in flight are given up, too. */
  readonly #hardStop = new AbortController();
  readonly #finished: Promise<void>;
  #stopReason: { readonly thrown: unknown; readonly error: ConnectError } | undefined;
  #left = false;
  #done = false;
  #reading: Promise<unknown> = Promise.resolve();
  #sourceEnded = false;
  /** Outcomes that nobody has taken yet, and who waits for one. */
  #outcomes: Outcome<Status | "failed">[] = [];
  readonly #summary: ReturnType<typeof createSummary>;
  #takers: (() => void)[] = [];
  #roomMakers: (() => void)[] = [];

  constructor(job: Job<G, Status>) {
    this.#job = job;
    this.#summary = createSummary({ now: () => job.environment.now() });
    const { giveUpMs = 300_000, maxPerSecond } = job.options;
    this.#pace = new Pace(job.concurrency, giveUpMs, job.environment, maxPerSecond);
    this.#source = new Source(job.values, {
      read: job.read,
      distinct: job.options.distinct ?? false,
      batchSize: job.batchSize,
      batchBytes: job.batchBytes,
      environment: job.environment,
      stop: this.#stop.signal,
      mostSeen: job.mostSeen,
    });
    this.#finished = this.#drive();
  }

  async next(): Promise<IteratorResult<Outcome<Status | "failed">>> {
    for (;;) {
      const value = this.#left ? undefined : this.#outcomes.shift();
      if (value !== undefined) {
        this.#makeRoom();
        return { done: false, value };
      }
      if (this.#done) {
        const reason = this.#left ? undefined : this.#stopReason;
        this.#left = true;
        if (reason !== undefined) {
          throw reason.thrown;
        }
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
  }

  summary(): Summary {
    return this.#summary.current();
  }

  /** Makes no further request, and waits for those in flight. */
  async leave(): Promise<void> {
    if (!this.#done) {
      const error = new ConnectError(
        "the run was left before this grant was decided",
        Code.Canceled,
      );
      this.#stopWith(error, error);
    }
    this.#left = true;
    await this.#finished;
  }

  async #drive(): Promise<void> {
    const { signal } = this.#job.options;
    const abort = () => {
      const error = new ConnectError(
        "the bulk run was aborted",
        Code.Canceled,
        undefined,
        undefined,
        signal?.reason,
      );
      this.#stopWith(error, error);
      this.#hardStop.abort(error);
    };
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      abort();
    }
    await Promise.all(Array.from({ length: this.#job.concurrency }, () => this.#worker()));
    signal?.removeEventListener("abort", abort);
    const rest = await this.#source.close();
    this.#refuse(rest);
    this.#batch(rest.grants).finish(() => this.#undecidedError());
    this.#done = true;
    this.#wakeTakers();
  }

  async #worker(): Promise<void> {
    try {
      while (!this.#sourceEnded && !this.#stop.signal.aborted) {
        await this.#pace.ready(this.#stop.signal);
        const batch = await this.#nextBatch();
        if (batch !== undefined) {
          await this.#workOn(batch);
        }
      }
    } catch (error) {
      this.#stopForUnforeseen(error);
    }
  }

  async #workOn(batch: Batch<G, Status>): Promise<void> {
    try {
      await this.#job.work(batch, (grants, send, attempts) =>
        this.#ask(batch, grants, send, attempts ?? mostAttempts),
      );
    } catch (error) {
      this.#stopForUnforeseen(error);
    } finally {
      batch.finish(() => this.#undecidedError());
    }
  }

  /** One at a time, so that what a slow source gives goes out together. */
  #nextBatch(): Promise<Batch<G, Status> | undefined> {
    const next = this.#reading.then(() => this.#readBatch());
    this.#reading = next.catch(() => undefined);
    return next;
  }

  async #readBatch(): Promise<Batch<G, Status> | undefined> {
    const startedMs = this.#job.environment.now();
    await this.#room();
    if (this.#sourceEnded || this.#stop.signal.aborted) {
      return undefined;
    }
    const gathered = await this.#source.gather();
    this.#pace.idled(this.#job.environment.now() - startedMs);
    const { grants, ended, failure } = gathered;
    this.#sourceEnded = ended;
    this.#refuse(gathered);
    if (failure !== undefined) {
      this.#stopWith(
        failure.error,
        new ConnectError(
          "the source of grants ended with an error before this grant was asked for",
          Code.Aborted,
          undefined,
          undefined,
          failure.error,
        ),
      );
    }
    return grants.length === 0 ? undefined : this.#batch(grants);
  }

  #refuse({ refused }: Gathered<G>): void {
    for (const { grantId, error } of refused) {
      this.#emit({ grantId, status: "failed", error });
    }
  }

  #batch(grants: readonly G[]): Batch<G, Status> {
    return new Batch<G, Status>(grants, (outcome) => this.#emit(outcome), this.#job.earlier);
  }

  async #ask(
    batch: Batch<G, Status>,
    grants: readonly G[],
    send: (options: CallOptions) => Promise<unknown>,
    attempts: number,
  ): Promise<Answer> {
    const { environment } = this.#job;
    const keys = grants.map(({ grantId }) => grantId);
    for (let attempt = 1; ; attempt++) {
      const slot = await this.#pace.take(this.#stop.signal);
      let error: ConnectError;
      try {
        await untilAborted(send(this.#callOptions()), this.#hardStop.signal);
        this.#pace.taken();
        batch.lostAnswers.found(keys);
        return { kind: "ok" };
      } catch (reason) {
        if (reason instanceof NotSent) {
          this.#stopForUnforeseen(reason.cause);
          throw new Stopped();
        }
        error = ConnectError.from(reason);
      } finally {
        this.#pace.release();
      }
      if (this.#hardStop.signal.aborted) {
        batch.lostAnswers.lost(keys);
        throw new Stopped();
      }
      const { kind, maybeApplied } = classify(error, this.#job.notFoundId);
      if (maybeApplied) {
        batch.lostAnswers.lost(keys);
      }
      switch (kind) {
        case "fatal":
          this.#stopWith(error, error);
          throw new Stopped();
        case "not-found":
        case "inactive":
        case "refused":
        case "too-large":
          this.#pace.taken();
          return { kind, error };
        case "pressed":
          this.#pace.pressed(slot, retryAfterMs(error, Date.now()));
          break;
        case "lost":
          this.#pace.failed();
          break;
      }
      if (this.#pace.hopeless) {
        this.#stopWith(error, error);
        throw new Stopped();
      }
      if (attempt >= attempts) {
        return { kind, error };
      }
      if (kind === "lost") {
        const pauseMs = 100 * 2 ** (attempt - 1) * (0.5 + environment.random() / 2);
        await environment.sleep(pauseMs, this.#stop.signal);
      }
    }
  }

  #callOptions(): CallOptions {
    const { orgId, timeoutMs } = this.#job.options;
    return {
      signal: this.#hardStop.signal,
      timeoutMs: timeoutMs ?? 30_000,
      contextValues: createContextValues().set(retrySwitch, false),
      ...(orgId === undefined ? {} : { headers: { "x-zitadel-orgid": orgId } }),
    };
  }

  #emit(outcome: Outcome<Status | "failed">): void {
    this.#summary.add(outcome);
    try {
      const seen: unknown = this.#job.options.onOutcome?.(outcome);
      if (seen instanceof Promise) {
        seen.catch((error) => this.#stopForUnforeseen(error));
      }
    } catch (error) {
      this.#stopForUnforeseen(error);
    }
    if (!this.#left) {
      this.#outcomes.push(outcome);
      this.#wakeTakers();
    }
  }

  /** Waits while as many outcomes lie there untaken as there are grants in flight at most. */
  async #room(): Promise<void> {
    const most = this.#job.batchSize * this.#job.concurrency;
    while (this.#outcomes.length >= most && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => this.#roomMakers.push(resolve));
    }
  }

  #makeRoom(): void {
    const makers = this.#roomMakers;
    this.#roomMakers = [];
    for (const resolve of makers) {
      resolve();
    }
  }

  #wakeTakers(): void {
    const takers = this.#takers;
    this.#takers = [];
    for (const resolve of takers) {
      resolve();
    }
  }

  #stopWith(thrown: unknown, error: ConnectError): void {
    if (this.#stopReason === undefined) {
      this.#stopReason = { thrown, error };
      this.#stop.abort();
      this.#makeRoom();
    }
  }

  #stopForUnforeseen(error: unknown): void {
    if (!(error instanceof Stopped)) {
      this.#stopWith(
        error,
        new ConnectError(
          "the run ended with an error before this grant was decided",
          Code.Aborted,
          undefined,
          undefined,
          error,
        ),
      );
    }
  }

  #undecidedError(): ConnectError {
    return (
      this.#stopReason?.error ??
      new ConnectError("nothing was answered for this grant", Code.Internal)
    );
  }
}

/** Settles like the call, or rejects when the signal is aborted: some clients do not look at theirs. */
function untilAborted(call: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const settle = () => signal.removeEventListener("abort", abort);
    call.then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}
