import { Code, ConnectError } from "@connectrpc/connect";

/** The longest delay that timers take (a 32-bit integer); a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

const deadlines = new WeakMap<AbortSignal, Deadline>();

/** Milliseconds left of the call that has this signal; undefined when there is no limit, or none known. */
export function remainingMs(signal: AbortSignal): number | undefined {
  return deadlines.get(signal)?.remainingMs();
}

/**
 * How long a call may take, and who may end it earlier. It ends once: at its time as
 * `DeadlineExceeded`, at the caller's abort as `Canceled` with the caller's reason as cause, or
 * quietly when the call is answered. From then on nothing of it runs: no timer, no listener.
 */
export class Deadline {
  /** Whether the call is over, for whatever reason. */
  ended = false;

  readonly #timeoutMs: number | undefined;
  readonly #endsAtMs: number;
  readonly #callerSignal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #controller: AbortController | undefined;
  #listeners: ((error: ConnectError) => void)[];
  #error: ConnectError | undefined;

  /**
   * @param timeoutMs undefined for no limit.
   * @param onExpiry called once, with the call's error, unless `end` comes first.
   */
  constructor(
    timeoutMs: number | undefined,
    callerSignal: AbortSignal | undefined,
    onExpiry: (error: ConnectError) => void,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#endsAtMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : now() + timeoutMs;
    this.#listeners = [onExpiry];
    if (callerSignal !== undefined) {
      if (callerSignal.aborted) {
        this.#expire(canceled(callerSignal));
        return;
      }
      this.#callerSignal = callerSignal;
      this.#onAbort = () => this.#expire(canceled(callerSignal));
      callerSignal.addEventListener("abort", this.#onAbort);
    }
    if (timeoutMs !== undefined) {
      this.#arm();
    }
  }

  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined {
    return this.#timeoutMs === undefined ? undefined : Math.max(0, this.#endsAtMs - now());
  }

  /** Aborted when the call is over; made when somebody asks for it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      deadlines.set(this.#controller.signal, this);
      if (this.ended) {
        this.#controller.abort(this.#error);
      }
    }
    return this.#controller.signal;
  }

  /** Calls the listener when the call expires, not when it is answered. Returns what takes it off. */
  onExpiry(listener: (error: ConnectError) => void): () => void {
    if (this.#error !== undefined) {
      listener(this.#error);
      return () => undefined;
    }
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /** Says that the call is over: it was answered, or it failed by itself. */
  end(): void {
    if (!this.ended) {
      this.#release();
      this.#controller?.abort();
    }
  }

  /** The error of a call that runs out of time. */
  exceeded(): ConnectError {
    return new ConnectError(
      `no answer within ${this.#timeoutMs} ms; the server may have done the work all the same`,
      Code.DeadlineExceeded,
    );
  }

  #arm(): void {
    const remainingMs = this.#endsAtMs - now();
    this.#timer = setTimeout(
      () => {
        if (now() < this.#endsAtMs) {
          this.#arm();
        } else {
          this.#expire(this.exceeded());
        }
      },
      Math.min(Math.max(0, Math.ceil(remainingMs)), maxTimerMs),
    );
  }

  #expire(error: ConnectError): void {
    this.#error = error;
    this.#release();
    for (const listener of this.#listeners) {
      listener(error);
    }
    this.#controller?.abort(error);
  }

  #release(): void {
    this.ended = true;
    clearTimeout(this.#timer);
    if (this.#onAbort !== undefined) {
      this.#callerSignal?.removeEventListener("abort", this.#onAbort);
    }
  }
}

function canceled(signal: AbortSignal): ConnectError {
  return new ConnectError(
    "the caller aborted the call",
    Code.Canceled,
    undefined,
    undefined,
    signal.reason,
  );
}

function now(): number {
  return performance.now();
}
