import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import { registerSignal, sendGate, type WaitingCall } from "../../common/hooks.js";
import { platform } from "../../common/time.js";
import {
  asConnectError,
  causedBy,
  decisionOf,
  finalError,
  type Outcome,
  withOutcome,
} from "../../errors/certainty.js";
import { createMask, maskError, secretsOf } from "../../errors/mask.js";
import { show } from "../../options/checker.js";

/** Header fields by name in lower case, each once. */
export type HeaderFields = Readonly<Record<string, string>>;

/** Is notified when a call settles before what it waits for. */
export interface ExpiryListener {
  onExpiry(error: ConnectError): void;
}

/** The calls of a client that have waited for something else than their response: `close()` settles them. */
export class WaitingCalls {
  readonly #calls = new Set<Call>();
  #isClosed = false;

  add(call: Call): void {
    this.#calls.add(call);
    if (this.#isClosed) {
      call.expire(clientClosed());
    }
  }

  delete(call: Call): void {
    this.#calls.delete(call);
  }

  close(): void {
    this.#isClosed = true;
    for (const call of this.#calls) {
      call.expire(clientClosed());
    }
  }
}

export function clientClosed(): ConnectError {
  return new ConnectError("the client was closed", Code.Canceled);
}

/**
 * A call in progress: how long it may take, what may end it earlier, and what is known of its attempts. It
 * settles once: with `DeadlineExceeded` when its time is up, with `Canceled` and the caller's reason as cause
 * when the caller aborts, or as its attempts do. From then on, nothing waits for it, and no timer and no
 * listener of it is left.
 *
 * An interceptor that calls `next()` with another signal makes a branch, which this signal may settle earlier.
 * Whatever becomes known in a branch is known of the call.
 */
export class Call implements ExpiryListener, WaitingCall {
  /** The call itself; of a branch, the call that it belongs to. */
  readonly #root: Call;
  readonly #waiting: WaitingCalls | undefined;
  readonly #timeoutMs: number | undefined;
  readonly #endsAtMs: number;
  #stopWatching: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #controller: AbortController | undefined;
  /** Most calls wait for one thing at a time. */
  #listeners: ExpiryListener[] | undefined;
  #ended = false;
  #error: ConnectError | undefined;
  #kept: unknown;
  #obstacle: (() => string | undefined) | undefined;
  /** The header fields of its attempts, whose secrets no error may show. */
  #fields: HeaderFields[] | undefined;
  #sent = 0;
  /** How many attempts were sent of which it is not known that they were not applied. */
  #open = 0;

  /**
   * @param timeoutMs undefined for no limit.
   * @param root the call that this is a branch of.
   */
  constructor(
    timeoutMs: number | undefined,
    callerSignal: AbortSignal | undefined,
    waiting?: WaitingCalls,
    root?: Call,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#endsAtMs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : platform.monotonicMs() + timeoutMs;
    this.#waiting = waiting;
    this.#root = root ?? this;
    root?.listen(this);
    if (callerSignal !== undefined && !this.ended) {
      this.#watch(callerSignal);
    }
    if (timeoutMs !== undefined && !this.ended) {
      this.#cancelTimer = platform.setTimer(() => {
        // What has arrived while the program was busy says whether the call was carried out.
        this.#cancelTimer = platform.setTimer(() => this.expire(this.#exceeded()), 0);
      }, timeoutMs);
    }
  }

  /** A branch that settles when this signal is aborted, or when the call does. */
  branch(signal: AbortSignal): Call {
    return new Call(undefined, signal, undefined, this);
  }

  /** Whether it has settled, for whatever reason. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The error of the deadline, the caller's abort or `close()`, if that has settled the call. */
  get endedBy(): ConnectError | undefined {
    return this.#error;
  }

  /** @throws ConnectError the one that has settled it. */
  throwIfEnded(): void {
    if (this.#ended) {
      throw this.#error ?? callOver();
    }
  }

  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined {
    const leftMs = this.#root.#endsAtMs - platform.monotonicMs();
    return leftMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, leftMs);
  }

  /** Aborted when the call settles, unless by a response; created on first use, since it is expensive. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      registerSignal(this.#controller.signal, this);
      if (this.ended) {
        this.#controller.abort(this.#error ?? callOver());
      }
    }
    return this.#controller.signal;
  }

  /** Notifies a listener when the call settles before it leaves; at once if the call has settled already. */
  listen(listener: ExpiryListener): void {
    if (this.#ended) {
      listener.onExpiry(this.#error ?? callOver());
    } else if (this.#listeners === undefined) {
      this.#listeners = [listener];
    } else {
      this.#listeners.push(listener);
    }
  }

  leave(listener: ExpiryListener): void {
    const at = this.#listeners?.indexOf(listener) ?? -1;
    if (at >= 0) {
      this.#listeners?.splice(at, 1);
    }
  }

  /** A wait of the call: settles like the promise, or with the call's error if the call settles first. */
  waitFor<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const listener = {
        onExpiry(error: ConnectError) {
          stop();
          reject(error);
        },
      };
      const stop = react<T>(promise, {
        resolve: (value) => {
          this.leave(listener);
          resolve(value);
        },
        reject: (reason) => {
          this.leave(listener);
          reject(this.judge(reason));
        },
      });
      if (!this.ended) {
        this.#root.#waiting?.add(this.#root);
      }
      this.listen(listener);
    });
  }

  /** Waits until the gate of the call, if it has one, lets a request pass. Undefined if it does so at once. */
  passGate(contextValues: ContextValues): Promise<void> | undefined {
    const ready = contextValues.get(sendGate)?.();
    return ready && this.waitFor(ready);
  }

  /** Sets what the call waits for, in words; returns what was set before. */
  explain(obstacle: (() => string | undefined) | undefined) {
    const before = this.#root.#obstacle;
    this.#root.#obstacle = obstacle;
    return before;
  }

  /** An error of other code ended an attempt: it is passed on as it is, alone or as a cause. */
  keep(error: unknown): void {
    this.#root.#kept = error;
  }

  /** Remembers the header fields of an attempt, whose secrets no error may show. */
  remember(fields: HeaderFields): void {
    const root = this.#root;
    if (root.#fields === undefined) {
      root.#fields = [fields];
    } else if (!root.#fields.includes(fields)) {
      root.#fields.push(fields);
    }
  }

  /** The secrets in the header fields of all its attempts. */
  get secrets(): string[] {
    return (this.#root.#fields ?? []).flatMap((fields) => secretsOf(Object.entries(fields)));
  }

  /** An attempt is being sent. */
  onSent(): void {
    this.#root.#sent += 1;
    this.#root.#open += 1;
  }

  /** An attempt that was sent has failed: whatever decides that it was not applied is in its error. */
  onFailed(error: unknown): void {
    const decision = decisionOf(error);
    if (decision !== undefined) {
      this.#root.#open -= 1;
      this.#root.#sent -= decision === "unsent" ? 1 : 0;
    }
  }

  /** What is known of the attempts of the call. */
  get outcome(): Outcome {
    return { mayHaveBeenApplied: this.#root.#open > 0, sent: this.#root.#sent > 0 };
  }

  /** The call of this branch has settled. */
  onExpiry(error: ConnectError): void {
    this.expire(error);
  }

  /** Settles the call, and everything that waits for it. */
  expire(error: ConnectError): void {
    if (!this.#ended) {
      this.#error = error;
      this.end();
    }
  }

  /**
   * Marks the call as settled: it has its response, or it has failed. Cancels attempts in progress.
   *
   * @param hasResponse its signal is aborted only if something still waits: that costs a tenth of a call.
   */
  end(hasResponse = false): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#cancelTimer?.();
    this.#waiting?.delete(this);
    this.#stopWatching?.();
    if (this.#root !== this) {
      this.#root.leave(this);
    }
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) {
      listener.onExpiry(this.#error ?? callOver());
    }
    if (!hasResponse || listeners.length > 0) {
      this.#controller?.abort(this.#error ?? callOver());
    }
  }

  /** The error of attempts without their secrets. That of the call stays the same object, with its cause. */
  masked(reason: unknown): ConnectError {
    const own = this.#error ?? this.#root.#kept ?? this.#root.#error;
    return isOver(reason)
      ? reason
      : maskError(asConnectError(reason), createMask(this.secrets), own);
  }

  /** The error that attempts of the call end with: without secrets, and with what is known of them. */
  failure(reason: unknown): ConnectError {
    return isOver(reason) ? reason : withOutcome(this.masked(reason), this.outcome, this.#root);
  }

  /** The error that the call itself ends with, whose message says what is known of its attempts. */
  finalError(error: ConnectError): ConnectError {
    return finalError(error, this.outcome, this, error === this.#kept);
  }

  /** The error to report for one that arrives now: at or after the deadline, `DeadlineExceeded`. */
  judge(reason: unknown): unknown {
    const root = this.#root;
    return !root.ended && root.#endsAtMs <= platform.monotonicMs()
      ? root.#exceeded(reason)
      : reason;
  }

  #exceeded(cause?: unknown): ConnectError {
    const message = `no response within ${this.#timeoutMs} ms${this.#inTheWay()}`;
    return causedBy(cause, message, Code.DeadlineExceeded);
  }

  /** In parentheses; empty if nothing is known, or if a request is in flight. */
  #inTheWay(): string {
    const obstacle = this.#open > 0 ? undefined : this.#obstacle?.();
    return obstacle === undefined ? "" : ` (${obstacle})`;
  }

  #watch(callerSignal: AbortSignal): void {
    const onAbort = () => {
      const what =
        this.#root === this
          ? `the caller aborted the call${this.#inTheWay()}`
          : "the attempt was aborted";
      const { reason } = callerSignal;
      this.expire(causedBy(reason, what, Code.Canceled));
    };
    if (callerSignal.aborted) {
      onAbort();
      return;
    }
    callerSignal.addEventListener("abort", onAbort);
    this.#stopWatching = () => callerSignal.removeEventListener("abort", onAbort);
  }
}

let over: ConnectError | undefined;

/**
 * What still runs when a call is over ends with it; nobody sees it. Shared, since an error is expensive, and made
 * when it is needed: its `Headers` make Node load its `fetch`, which takes longer than this package.
 */
function callOver(): ConnectError {
  over ??= new ConnectError("the call is over", Code.Canceled);
  return over;
}

function isOver(reason: unknown): reason is ConnectError {
  return over !== undefined && reason === over;
}

interface Reaction {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

const reactions = new WeakMap<PromiseLike<unknown>, Set<Reaction>>();

/**
 * Reacts to a promise, until the function that is returned is called. A reaction to a promise itself cannot be
 * taken back, and many calls may wait for one that never settles.
 */
function react<T>(
  promise: PromiseLike<T>,
  reaction: { resolve(value: T): void; reject(reason: unknown): void },
): () => void {
  let all = reactions.get(promise);
  if (all === undefined) {
    const waiting = new Set<Reaction>();
    const settle = (how: keyof Reaction) => (value: unknown) => {
      reactions.delete(promise);
      for (const one of waiting) {
        one[how](value);
      }
    };
    promise.then(settle("resolve"), settle("reject"));
    reactions.set(promise, waiting);
    all = waiting;
  }
  all.add(reaction as Reaction);
  return () => all.delete(reaction as Reaction);
}

/**
 * The timeout of a call, by Connect's rules: the call's own, else the default; 0 or less means no limit.
 *
 * @throws ConnectError `InvalidArgument` when it is not a number.
 */
export function effectiveTimeoutMs(
  timeoutMs: number | undefined,
  defaultTimeoutMs: number | undefined,
): number | undefined {
  if (timeoutMs === undefined) {
    return defaultTimeoutMs;
  }
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
    throw new ConnectError(
      `timeoutMs must be a number of milliseconds (0 for no limit), got ${show(timeoutMs)}`,
      Code.InvalidArgument,
    );
  }
  return timeoutMs <= 0 || timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
}
