import { callOf } from "../common/hooks.js";
import { type Environment, exponential, sleep, type TimerOptions } from "../common/time.js";
import type { TokenSource } from "../options/options.js";
import { AttemptFailure, aborted, TokenError, withNote } from "./token-error.js";

/** Where tokens come from and where they are kept; this module decides when to request one. */
export interface TokenKeeper {
  held(): HeldToken | undefined;
  /** Drops the held token if it is this one: a server rejected it. */
  drop(token: string): void;
  /**
   * Makes one attempt to get a new token, and keeps it.
   *
   * @param waitFor takes what an attempt waits for, other than the server; undefined when it has that.
   * @throws AttemptFailure when a request failed; a `TokenError` when there is nothing to send.
   */
  renew(signal: AbortSignal, waitFor: (what: string | undefined) => void): Promise<HeldToken>;
  /** What a request is made with: after a rejection, the same is not sent again for a while. */
  credential(): unknown;
  /**
   * Whether an attempt continues after all callers have left, until its own deadline: for requests whose lost
   * response costs more than the request does.
   */
  readonly finishesAttempts: boolean;
}

/** The pause after a renewal has failed for good. */
const pauseOnFailure = { firstMs: 1_000, maxMs: 30_000 };
/** Attempts in progress. Callers that need a token share them, where a runtime allows it. */
interface Renewal {
  waiting: number;
  readonly result: Promise<HeldToken>;
  /** The reason of the wait: what it waits for, or the last transient failure. */
  why: TokenError | undefined;
  /** Called when the last caller has left. */
  abandon(): void;
}

/** After a renewal has failed for good, with this credential. */
interface Pause {
  readonly credential: unknown;
  readonly rounds: number;
  readonly untilMs: number;
  /** What calls without a token fail with meanwhile; undefined when the next one may try again. */
  readonly error: TokenError | undefined;
}

/**
 * Returns the held token until it has expired or was rejected; then one request gets a new one for all.
 * Shortly before it expires, the next one is requested in the background, and no call waits.
 *
 * On Cloudflare Workers, promises, timers and requests belong to the request that began them: whoever else
 * waits for them hangs. There, calls share the held token and what is known of failures, which is plain data,
 * and each call that finds no token, or an expired one, makes its own request.
 */
export function createTokenSource(keeper: TokenKeeper, environment: Environment): TokenSource {
  const sharesRequests = !isBoundToRequests();
  let current: Renewal | undefined;
  /** A `Retry-After` outlives the renewal that received it. */
  let earliestMs = 0;
  let pause: Pause | undefined;

  const pausedMs = (): number =>
    pause === undefined || pause.credential !== keeper.credential()
      ? 0
      : pause.untilMs - environment.monotonicMs();
  const fail = (reason: unknown, credential: unknown, background: boolean): never => {
    const final = reason instanceof AttemptFailure ? reason.error : undefined;
    const isRejection = reason instanceof AttemptFailure && reason.maxAttempts < Infinity;
    // Without a rejection the callers that wait receive the error, and the next call may try again.
    if (isRejection || background) {
      const rounds = (pause?.credential === credential ? (pause?.rounds ?? 0) : 0) + 1;
      pause = {
        credential,
        rounds,
        untilMs: environment.monotonicMs() + exponential(environment, pauseOnFailure, rounds),
        error: isRejection ? final : undefined,
      };
    }
    throw final ?? reason;
  };

  const start = (background: boolean): Renewal => {
    const controller = new AbortController();
    const { signal } = controller;
    let attempting = false;
    let credential: unknown;
    const attempt = () => {
      attempting = true;
      credential = keeper.credential();
      const waitFor = (what: string | undefined) => {
        renewal.why = what === undefined ? undefined : new TokenError(what, "unavailable");
      };
      return keeper.renew(signal, waitFor).finally(() => {
        attempting = false;
      });
    };
    const onFailure = ({ error, retryAfterMs }: AttemptFailure) => {
      renewal.why = error;
      earliestMs = environment.monotonicMs() + Math.min(retryAfterMs, longestWaitMs);
      if (renewal.waiting === 0) {
        throw error;
      }
    };
    const run = () =>
      retrying(environment, signal, attempt, onFailure, earliestMs - environment.monotonicMs());
    const forget = () => {
      if (current === renewal) {
        current = undefined;
      }
    };
    const succeed = (token: HeldToken) => {
      pause = undefined;
      return token;
    };
    const renewal: Renewal = {
      waiting: 0,
      // Not before `renewal` is assigned: an attempt may fail synchronously.
      result: Promise.resolve()
        .then(run)
        .then(succeed, (reason) => fail(reason, credential, background))
        .finally(forget),
      why: undefined,
      abandon: () => {
        if (!(attempting && (background || keeper.finishesAttempts))) {
          forget();
          controller.abort();
        }
      },
    };
    renewal.result.catch(() => {});
    if (sharesRequests) {
      current = renewal;
    }
    return renewal;
  };

  const ready = (request: Parameters<TokenSource>[0]): string | Promise<string> | undefined => {
    const refused = request?.refused;
    if (refused !== undefined) {
      keeper.drop(refused);
    }
    const held = keeper.held();
    if (held === undefined || remainingLifeMs(held, environment) <= 0) {
      return undefined;
    }
    if (
      // Elsewhere nothing outlives the call that began it.
      sharesRequests &&
      current === undefined &&
      isDue(held, environment) &&
      environment.monotonicMs() >= earliestMs &&
      pausedMs() <= 0
    ) {
      start(true);
    }
    return held.token;
  };
  const requested = async (signal: AbortSignal | undefined): Promise<string> => {
    if (signal?.aborted) {
      throw aborted(signal, undefined);
    }
    const waitMs = pausedMs();
    if (pause?.error !== undefined && waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      throw withNote(pause.error, `. No other request is made for ${seconds} s`);
    }
    return join(current ?? start(false), signal, environment);
  };

  // A held token as it is: a promise of it would cost every call.
  return (request) => {
    try {
      return ready(request) ?? requested(request?.signal);
    } catch (reason) {
      return Promise.reject(reason);
    }
  };
}

/** https://developers.cloudflare.com/workers/runtime-apis/web-standards/#navigatoruseragent */
function isBoundToRequests(): boolean {
  return (
    globalThis.navigator?.userAgent === "Cloudflare-Workers" ||
    // Of older compatibility dates.
    "WebSocketPair" in globalThis
  );
}

/** How long a caller without a known deadline waits: less than the 30 s that calls have. */
export const patienceMs = 25_000;
const patienceWithoutSignalMs = 30_000;
/**
 * How long before its deadline a call stops waiting: the error of the deadline itself could not name the
 * cause.
 */
const maxMarginMs = 1_000;

/**
 * Waits for a renewal, until shortly before the call's own deadline.
 *
 * @throws the error of the renewal, or the reason of the wait; the error of `aborted` when the caller leaves.
 */
function join(
  renewal: Renewal,
  signal: AbortSignal | undefined,
  environment: Environment,
): Promise<string> {
  return new Promise((resolve, reject) => {
    renewal.waiting++;
    let left = false;
    const leave = () => {
      if (left) {
        return;
      }
      left = true;
      cancel();
      signal?.removeEventListener("abort", onAbort);
      if (--renewal.waiting === 0) {
        renewal.abandon();
      }
    };
    const onAbort = () => {
      leave();
      reject(aborted(signal as AbortSignal, renewal.why));
    };
    const waitMs = patience(signal);
    const cancel = environment.setTimer(() => {
      leave();
      reject(renewal.why ?? gaveUp(waitMs));
    }, waitMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    // After the call has said that it waits for a token: why it waits says more.
    Promise.resolve().then(() => {
      if (signal !== undefined && !left) {
        callOf(signal)?.explain(
          () => renewal.why?.rawMessage ?? "the authorization server has not responded",
        );
      }
    });
    renewal.result.then(
      ({ token }) => {
        leave();
        resolve(token);
      },
      (reason) => {
        leave();
        reject(reason);
      },
    );
  });
}

function patience(signal: AbortSignal | undefined): number {
  if (signal === undefined) {
    return patienceWithoutSignalMs;
  }
  const remaining = callOf(signal)?.remainingMs();
  return remaining === undefined ? patienceMs : remaining - Math.min(maxMarginMs, remaining / 10);
}

function gaveUp(waitedMs: number): Error {
  return new TokenError(
    `no token within ${Math.round(waitedMs) / 1000} s: the authorization server did not respond`,
    "deadline_exceeded",
  );
}

/** Short, so that waiting calls continue soon after a server has recovered. */
const backoff = { firstMs: 100, maxMs: 1_000 };
/** The longest wait between two attempts, whatever `Retry-After` is. */
const longestWaitMs = 30_000;

/**
 * Retries until an attempt succeeds or fails for good, or the signal is aborted.
 *
 * @param onFailure called with each failure after which it goes on; if it throws, the retries stop.
 * @param firstDelayMs before the first attempt.
 */
export async function retrying<T>(
  environment: Environment,
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onFailure: (failure: AttemptFailure) => void,
  firstDelayMs = 0,
): Promise<T> {
  let delayMs = firstDelayMs;
  for (let failures = 1; ; failures++) {
    if (delayMs > 0) {
      // Callers that wait hold a timer that keeps the process alive.
      await sleep(environment, delayMs, signal, { background: true });
    }
    if (signal.aborted) {
      throw new TokenError("no caller waits any longer", "canceled");
    }
    try {
      return await attempt();
    } catch (reason) {
      if (!(reason instanceof AttemptFailure) || failures >= reason.maxAttempts) {
        throw reason;
      }
      onFailure(reason);
      const backoffMs = exponential(environment, backoff, failures);
      delayMs = Math.min(longestWaitMs, Math.max(reason.retryAfterMs, backoffMs));
    }
  }
}

/** Retries for this long, then fails with the last error. */
export async function retryingFor<T>(
  environment: Environment,
  timeoutMs: number,
  attempt: (signal: AbortSignal) => Promise<T>,
  options?: TimerOptions,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = environment.setTimer(() => controller.abort(), timeoutMs, options);
  let last = gaveUp(timeoutMs);
  try {
    return await retrying(
      environment,
      signal,
      () => attempt(signal),
      ({ error }) => {
        last = error;
      },
    );
  } catch (reason) {
    const error = reason instanceof AttemptFailure ? reason.error : reason;
    throw signal.aborted ? last : error;
  } finally {
    cancel();
  }
}

/** A token, and its lifetime. */
export interface HeldToken {
  readonly token: string;
  /** When it was requested, by the wall clock; the server counts from slightly later. */
  readonly obtainedAtMs: number;
  /** The same by the monotonic clock, which has another origin in each page. */
  readonly obtainedAtMonotonicMs?: number;
  /**
   * The server's `expires_in`; undefined if it was missing: the token is then used until a server rejects it.
   */
  readonly durationMs: number | undefined;
}

/** A token is renewed this long before it expires, or a tenth of its lifetime if that is less. */
const renewalMarginMs = 60_000;

/** Whether a new token is due: the old one has expired, or is about to. */
export function isDue(token: HeldToken, environment: Environment): boolean {
  const { durationMs = Infinity } = token;
  return remainingLifeMs(token, environment) <= Math.min(renewalMarginMs, durationMs / 10);
}

/**
 * Milliseconds until a token expires; infinite if that is unknown. Its age is taken from the clock that shows
 * more: the monotonic clock may stop while a laptop sleeps, and the wall clock may be set back.
 */
export function remainingLifeMs(token: HeldToken, environment: Environment): number {
  const { durationMs = Infinity, obtainedAtMs, obtainedAtMonotonicMs = Infinity } = token;
  const ages = [
    environment.wallMs() - obtainedAtMs,
    environment.monotonicMs() - obtainedAtMonotonicMs,
  ];
  return durationMs - Math.max(...ages);
}
