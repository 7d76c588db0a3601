import { Code, ConnectError } from "@connectrpc/connect";

/** Thrown through the work of a stopped run, to unwind it. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/** Thrown by a client instead of sending a request: the run stops with its cause. */
export class NotSent extends Error {
  override readonly name = "NotSent";

  constructor(cause: unknown) {
    super("the request was not sent", { cause });
  }
}

const thrownMessage = "the run ended with an error before this grant was decided";

/** Whether and why a run stops before everything is decided. The first reason counts. */
export class Stop {
  readonly #noMore = new AbortController();
  readonly #cancel = new AbortController();
  #reason: { readonly thrown: unknown; readonly error: ConnectError } | undefined;

  /** Aborted when no further request may be sent. */
  get signal(): AbortSignal {
    return this.#noMore.signal;
  }

  /** Aborted when requests in flight are cancelled, too. */
  get cancelSignal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** What the run throws when it stops. */
  get reason(): { readonly thrown: unknown } | undefined {
    return this.#reason;
  }

  /** The error of grants that are still undecided when the run stops. */
  get undecidedError(): ConnectError {
    return (
      this.#reason?.error ?? new ConnectError("no response has decided this grant", Code.Internal)
    );
  }

  /** @param error the error of grants that are undecided then. */
  because(error: ConnectError, thrown: unknown = error): void {
    if (this.#reason === undefined) {
      this.#reason = { thrown, error };
      this.#noMore.abort();
    }
  }

  /** For an error thrown by the source, by `onOutcome`, or by a defect. */
  becauseOfThrown(thrown: unknown, message = thrownMessage): void {
    if (!(thrown instanceof Stopped)) {
      this.because(new ConnectError(message, Code.Aborted, undefined, undefined, thrown), thrown);
    }
  }

  /**
   * Stops and cancels requests in flight when the caller's signal is aborted. @returns a function that stops
   * listening.
   */
  follow(signal: AbortSignal | undefined): () => void {
    const abort = () => {
      const error = new ConnectError(
        "the bulk run was aborted",
        Code.Canceled,
        undefined,
        undefined,
        signal?.reason,
      );
      this.because(error);
      this.#cancel.abort(error);
    };
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      abort();
    }
    return () => signal?.removeEventListener("abort", abort);
  }
}
