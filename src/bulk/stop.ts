import { Code, ConnectError } from "@connectrpc/connect";
import type { Environment } from "../common/time.js";
import { causedBy } from "../errors/certainty.js";

/** How long an aborted run waits for clients, sources and observers that ignore the abort, all in all. */
const graceMs = 1000;

/** Thrown through the work of a stopped run, to unwind it. */
export class Stopped extends Error {}

/** Thrown by a client instead of sending a request: the run stops with its cause. */
export class NotSent extends Error {
  constructor(cause: unknown) {
    super("the request was not sent", { cause });
  }
}

/** Whether and why a run stops before everything is decided. The first reason counts. */
export class Stop {
  readonly #environment: Environment;
  readonly #ending = new AbortController();
  readonly #cancelling = new AbortController();
  #graceEndsMs = Number.POSITIVE_INFINITY;
  /** Aborted when no further request may be sent. */
  readonly signal = this.#ending.signal;
  /** Aborted when requests in flight are cancelled, too. */
  readonly cancelSignal = this.#cancelling.signal;
  /** The error of grants that are still undecided when the run stops. */
  undecidedError = new ConnectError("no response has decided this grant", Code.Internal);
  /** What the run throws; undefined if its caller has left it, or while it has not stopped. */
  failure: { readonly thrown: unknown } | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** No request can succeed. */
  because(error: ConnectError): void {
    this.#end(error, { thrown: error });
  }

  /** For an error thrown by the source, by `onOutcome`, or by a defect. */
  becauseOfThrown(
    thrown: unknown,
    message = "the run ended with an error before this grant was decided",
  ): void {
    if (!(thrown instanceof Stopped)) {
      this.#end(causedBy(thrown, message, Code.Aborted), { thrown });
    }
  }

  /** The caller wants no more outcomes. */
  left(): void {
    this.#end(new ConnectError("the run was left before this grant was decided", Code.Canceled));
  }

  #end(undecidedError: ConnectError, failure?: { readonly thrown: unknown }): void {
    if (!this.signal.aborted) {
      this.undecidedError = undecidedError;
      this.failure = failure;
      this.#ending.abort();
    }
  }

  /**
   * Stops and cancels requests in flight when the caller's signal is aborted. @returns a function that stops
   * listening.
   */
  follow(signal: AbortSignal | undefined): () => void {
    const abort = () => {
      this.because(causedBy(signal?.reason, "the bulk run was aborted", Code.Canceled));
      this.#graceEndsMs = this.#environment.monotonicMs() + graceMs;
      this.#cancelling.abort();
    };
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      abort();
    }
    return () => signal?.removeEventListener("abort", abort);
  }

  /** Settles like the promise; at the latest a second after an abort, with undefined. */
  orAborted<T>(promise: PromiseLike<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let cancelTimer: (() => void) | undefined;
      const onAbort = () => {
        const leftMs = this.#graceEndsMs - this.#environment.monotonicMs();
        cancelTimer = this.#environment.setTimer(() => resolve(undefined), Math.max(0, leftMs));
      };
      const settled = () => {
        cancelTimer?.();
        this.cancelSignal.removeEventListener("abort", onAbort);
      };
      this.cancelSignal.addEventListener("abort", onAbort);
      if (this.cancelSignal.aborted) {
        onAbort();
      }
      Promise.resolve(promise).finally(settled).then(resolve, reject);
    });
  }
}

/** Lets work wait for a change and check again. */
export class Notifier {
  #waiting: (() => void)[] = [];
  #signal: AbortSignal | undefined;

  /** Resolves at the next change, or when the signal is aborted, which is the same at each call. */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal !== undefined && this.#signal === undefined) {
      // One listener for all who wait: to add and remove a thousand at each change takes seconds.
      this.#signal = signal;
      signal.addEventListener("abort", () => this.notify());
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) {
      resume();
    }
  }
}
