import { Code, ConnectError } from "@connectrpc/connect";
import { platform } from "../../common/environment.js";
import { markNotProcessed, notProcessed } from "../../errors/not-processed.js";
import { type LazyState, stateOf } from "./request.js";

const deadlines = new WeakMap<AbortSignal, Deadline>();

/** Milliseconds left of the call that has this signal; undefined when there is no limit, or none known. */
export function remainingMs(signal: AbortSignal): number | undefined {
  return deadlines.get(signal)?.remainingMs();
}

/** The deadline of the call that a request belongs to, where it is known. */
export function deadlineOf(request: { readonly signal: AbortSignal }): Deadline | undefined {
  const state = stateOf<LazyState & { call: { deadline: Deadline } }>(request);
  return (state?.call.deadline ?? deadlines.get(request.signal))?.call;
}

/** Who is told that a call is over before it has settled. */
export interface ExpiryListener {
  onExpiry(error: ConnectError): void;
}

/**
 * How long a call may take, and who may end it earlier. It ends once: at its time as
 * `DeadlineExceeded`, at the caller's abort as `Canceled` with the caller's reason as cause, or
 * quietly when the call has its response. From then on nothing of it runs: no timer, no listener.
 */
export class Deadline implements ExpiryListener {
  /** Whether the call is over, for whatever reason. */
  ended = false;
  /** How many requests of the call were sent that the server did not provably leave undone. */
  inDoubt = 0;
  /** While the call waits before it is sent: what stands in the way, as far as it is known. */
  obstacle: (() => string | undefined) | undefined;

  readonly #timeoutMs: number | undefined;
  readonly #endsAtMs: number;
  #stopWatching: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #controller: AbortController | undefined;
  readonly #owner: ExpiryListener;
  /** Most calls have one attempt at a time, so that there is no need of a set. */
  #attempt: ExpiryListener | undefined;
  #attempts: Set<ExpiryListener> | undefined;
  #error: ConnectError | undefined;

  readonly #parent: Deadline | undefined;

  /**
   * @param timeoutMs undefined for no limit.
   * @param owner told once, with the call's error, unless `end` comes first.
   * @param parent for an attempt that can end earlier than its call: the deadline of the call.
   */
  constructor(
    timeoutMs: number | undefined,
    callerSignal: AbortSignal | undefined,
    owner: ExpiryListener,
    parent?: Deadline,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#endsAtMs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : platform.monotonicMs() + timeoutMs;
    this.#owner = owner;
    this.#parent = parent;
    parent?.listen(this);
    if (!this.ended && callerSignal !== undefined) {
      this.#watch(callerSignal);
    }
    if (timeoutMs !== undefined && !this.ended) {
      this.#cancelTimer = platform.setTimer(() => this.#expire(this.exceeded()), timeoutMs);
    }
  }

  /** The deadline of the whole call. */
  get call(): Deadline {
    return this.#parent ?? this;
  }

  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined {
    if (this.#parent !== undefined) {
      return this.#parent.remainingMs();
    }
    return this.#timeoutMs === undefined
      ? undefined
      : Math.max(0, this.#endsAtMs - platform.monotonicMs());
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

  /** Whether this is the signal of the call, without making it. */
  ownsSignal(signal: AbortSignal): boolean {
    return this.#controller?.signal === signal;
  }

  /** Tells an attempt when the call is over before it, at once if it is already. */
  listen(attempt: ExpiryListener): void {
    if (this.ended) {
      attempt.onExpiry(this.#error ?? canceled("the call is over", undefined));
    } else if (this.#attempt === undefined) {
      this.#attempt = attempt;
    } else {
      this.#attempts ??= new Set();
      this.#attempts.add(attempt);
    }
  }

  leave(attempt: ExpiryListener): void {
    if (this.#attempt === attempt) {
      this.#attempt = undefined;
    } else {
      this.#attempts?.delete(attempt);
    }
  }

  /** The call of this attempt is over. */
  onExpiry(error: ConnectError): void {
    if (!this.ended) {
      this.#expire(error);
    }
  }

  /** Says that the call is over: it has its response, or it failed by itself. Ends attempts that still run. */
  end(): void {
    if (!this.ended) {
      this.#release();
      if (this.#attempt !== undefined || this.#attempts !== undefined) {
        this.#tell(canceled("the call is over", undefined));
      }
      this.#controller?.abort();
    }
  }

  /** Counts a request as one that the server may carry out, unless its error proves that it did not. */
  async counted<T>(send: () => Promise<T>): Promise<T> {
    this.call.inDoubt += 1;
    try {
      return await send();
    } catch (reason) {
      if (notProcessed(reason)) {
        this.call.inDoubt -= 1;
      }
      throw reason;
    }
  }

  /** What an error means that comes now: at the deadline or after it, that time was up. */
  judge(reason: unknown): unknown {
    if (this.#parent !== undefined) {
      return this.#parent.judge(reason);
    }
    return !this.ended && this.#endsAtMs <= platform.monotonicMs() ? this.exceeded(reason) : reason;
  }

  /** The error of a call that runs out of time. */
  exceeded(cause?: unknown): ConnectError {
    const what = `no response within ${this.#timeoutMs} ms`;
    const error = new ConnectError(
      this.inDoubt > 0
        ? `${what}; the server may have done the work all the same`
        : `${what}; nothing was sent${this.#inTheWay()}`,
      Code.DeadlineExceeded,
      undefined,
      undefined,
      cause,
    );
    return this.inDoubt > 0 ? error : markNotProcessed(error);
  }

  /** In parentheses; empty when nothing is known, or when a request is on its way. */
  #inTheWay(): string {
    const obstacle = this.inDoubt > 0 ? undefined : this.obstacle?.();
    return obstacle === undefined ? "" : ` (${obstacle})`;
  }

  #watch(callerSignal: AbortSignal): void {
    const onAbort = () => {
      const { reason } = callerSignal;
      const error = canceled(
        this.#parent === undefined
          ? `the caller aborted the call${this.#inTheWay()}`
          : "the attempt was aborted",
        reason,
      );
      this.#expire(this.call.inDoubt > 0 ? error : markNotProcessed(error));
    };
    if (callerSignal.aborted) {
      onAbort();
      return;
    }
    callerSignal.addEventListener("abort", onAbort);
    this.#stopWatching = () => callerSignal.removeEventListener("abort", onAbort);
  }

  #expire(error: ConnectError): void {
    this.#error = error;
    this.#release();
    this.#owner.onExpiry(error);
    this.#tell(error);
    this.#controller?.abort(error);
  }

  #tell(error: ConnectError): void {
    const attempts = [...(this.#attempts ?? [])];
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#attempts = undefined;
    attempt?.onExpiry(error);
    for (const other of attempts) {
      other.onExpiry(error);
    }
  }

  #release(): void {
    this.ended = true;
    this.#cancelTimer?.();
    this.#parent?.leave(this);
    this.#stopWatching?.();
  }
}

function canceled(message: string, cause: unknown): ConnectError {
  return new ConnectError(message, Code.Canceled, undefined, undefined, cause);
}
