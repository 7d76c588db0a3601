import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import { platform } from "../../common/environment.js";
import { sendGate, type Turn } from "../../common/send-gate.js";
import type { Outcome } from "../../errors/certainty.js";
import { markNotProcessed, notProcessed } from "../../errors/not-processed.js";
import { type LazyState, stateOf } from "./request.js";

const deadlines = new WeakMap<AbortSignal, Deadline>();

/** Milliseconds left of the call that has this signal; undefined if there is no limit, or it is unknown. */
export function remainingMs(signal: AbortSignal): number | undefined {
  return deadlines.get(signal)?.remainingMs();
}

/** The deadline of the call that a request belongs to, if known. */
export function deadlineOf(request: { readonly signal: AbortSignal }): Deadline | undefined {
  const state = stateOf<LazyState & { call: { deadline: Deadline } }>(request);
  return (state?.call.deadline ?? deadlines.get(request.signal))?.call;
}

/** Is notified when a call is settled by its deadline or signal. */
export interface ExpiryListener {
  onExpiry(error: ConnectError): void;
}

/**
 * How long a call may take, and what may cancel it earlier. It settles once: with `DeadlineExceeded` when its
 * time is up, with `Canceled` and the caller's reason as cause when the caller aborts, or without an error
 * when the call has its response. From then on, no timer and no listener of it is left.
 */
export class Deadline implements ExpiryListener {
  /** Whether the call has settled, for whatever reason. */
  ended = false;
  /** How many requests of the call were sent that the server may have processed. */
  inDoubt = 0;
  /** Whether any request of the call was sent. */
  sent = false;
  /** While the call waits to be sent: the known obstacle, if any. */
  obstacle: (() => string | undefined) | undefined;

  readonly #timeoutMs: number | undefined;
  readonly #endsAtMs: number;
  #stopWatching: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #controller: AbortController | undefined;
  readonly #owner: ExpiryListener;
  /** Most calls have one attempt at a time, so no set is needed. */
  #attempt: ExpiryListener | undefined;
  #attempts: Set<ExpiryListener> | undefined;
  #error: ConnectError | undefined;

  readonly #parent: Deadline | undefined;

  /**
   * @param timeoutMs undefined for no limit.
   * @param owner notified once, with the call's error, unless `end` is called first.
   * @param parent for an attempt that can settle earlier than its call: the deadline of the call.
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

  /** Aborted when the call has settled; created on first use. */
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

  /** Whether this is the signal of the call, without creating it. */
  ownsSignal(signal: AbortSignal): boolean {
    return this.#controller?.signal === signal;
  }

  /** Notifies an attempt when the call settles before it; at once if it has settled already. */
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

  /** The call of this attempt has settled. */
  onExpiry(error: ConnectError): void {
    if (!this.ended) {
      this.#expire(error);
    }
  }

  /** Marks the call as settled: it has its response, or it failed by itself. Cancels attempts in progress. */
  end(): void {
    if (!this.ended) {
      this.#release();
      if (this.#attempt !== undefined || this.#attempts !== undefined) {
        this.#tell(canceled("the call is over", undefined));
      }
      this.#controller?.abort();
    }
  }

  /** A request of the call is being sent. */
  onSent(): void {
    this.inDoubt += 1;
    this.sent = true;
  }

  /** What is known about its requests. */
  get outcome(): Outcome {
    return { mayHaveBeenApplied: this.inDoubt > 0, sent: this.sent };
  }

  /**
   * Sends a request when its gate lets it pass, and counts it as one that the server may have processed,
   * unless its error proves the opposite.
   */
  async counted<T>(contextValues: ContextValues, send: () => Promise<T>): Promise<T> {
    const turn = contextValues.get(sendGate)?.();
    if (turn !== undefined) {
      await this.#wait(turn);
    }
    this.call.onSent();
    try {
      return await send();
    } catch (reason) {
      if (notProcessed(reason)) {
        this.call.inDoubt -= 1;
      }
      throw reason;
    }
  }

  async #wait(turn: Turn): Promise<void> {
    const left = { onExpiry: () => turn.cancel() };
    this.listen(left);
    await turn.ready;
    this.leave(left);
    if (this.ended) {
      throw this.#error ?? canceled("the call is over", undefined);
    }
  }

  /** The error to report for one that arrives now: at or after the deadline, `DeadlineExceeded`. */
  judge(reason: unknown): unknown {
    if (this.#parent !== undefined) {
      return this.#parent.judge(reason);
    }
    return !this.ended && this.#endsAtMs <= platform.monotonicMs() ? this.exceeded(reason) : reason;
  }

  /** The error of a call whose deadline passed. */
  exceeded(cause?: unknown): ConnectError {
    const what = `no response within ${this.#timeoutMs} ms`;
    const error = new ConnectError(
      this.inDoubt > 0
        ? `${what}; the server may have carried out the call`
        : `${what}; ${this.sent ? "the call was not carried out" : "nothing was sent"}${this.#inTheWay()}`,
      Code.DeadlineExceeded,
      undefined,
      undefined,
      cause,
    );
    return this.inDoubt > 0 ? error : markNotProcessed(error);
  }

  /** In parentheses; empty if nothing is known, or if a request is in flight. */
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
