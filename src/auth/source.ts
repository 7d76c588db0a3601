import { Code } from "@connectrpc/connect";
import { callOf } from "../common/call-signal.js";
import { type Environment, jittered, sleep } from "../common/environment.js";
import type { TokenSource } from "../options/token-source.js";
import { aborted, TransientFailure, tokenError } from "./token-error.js";

/** Where tokens come from and where they are kept; this module decides when to request one. */
export interface TokenKeeper {
  held(): HeldToken | undefined;
  /** Drops the held token if it is this one: a server rejected it. */
  drop(token: string): void;
  /**
   * Makes one attempt to get a new token, and keeps it.
   *
   * @throws TransientFailure when a later attempt may succeed.
   */
  renew(signal: AbortSignal): Promise<HeldToken>;
  /**
   * Whether an attempt continues after all callers have left, until its own deadline: for requests whose lost
   * response costs more than the request does.
   */
  readonly finishesAttempts: boolean;
}

/** Time limit of a renewal that no caller waits for. */
const backgroundMs = 30_000;
/** Delay between failed renewals in the background; doubles up to `longestWaitMs`. */
const firstPauseMs = 1_000;

/** Attempts in progress, shared by all callers that need a token. */
interface Renewal extends Joinable {
  /** Continues even if no caller waits. */
  background: boolean;
}

/**
 * Returns the held token until it has expired or was rejected; then one request gets a new one for all.
 * Shortly before it expires, the next one is requested in the background, and no call waits.
 */
export function createTokenSource(keeper: TokenKeeper, environment: Environment): TokenSource {
  let current: Renewal | undefined;
  /** A `Retry-After` outlives the renewal that received it. */
  let earliestMs = 0;
  let failedInBackground = 0;
  let earliestInBackgroundMs = 0;

  const start = (background: boolean): Renewal => {
    const controller = new AbortController();
    const { signal } = controller;
    let attempting = false;
    const attempt = () => {
      attempting = true;
      return keeper.renew(signal).finally(() => {
        attempting = false;
      });
    };
    const onFailure = ({ error, retryAfterMs }: TransientFailure) => {
      renewal.lastFailure = error;
      earliestMs = environment.monotonicMs() + Math.min(retryAfterMs, longestWaitMs);
      if (renewal.waiting === 0 && !renewal.background) {
        throw error;
      }
    };
    const run = () =>
      retrying(environment, signal, attempt, onFailure, earliestMs - environment.monotonicMs());
    const cancelLimit = environment.setTimer(
      () => {
        renewal.background = false;
        if (renewal.waiting === 0) {
          renewal.abandon();
        }
      },
      backgroundMs,
      { background: true },
    );
    const forget = () => {
      cancelLimit();
      if (current === renewal) {
        current = undefined;
      }
    };
    const renewal: Renewal = {
      waiting: 0,
      background,
      // Not before `renewal` is assigned: an attempt may fail synchronously.
      result: Promise.resolve().then(run).finally(forget),
      lastFailure: undefined,
      abandon: () => {
        if (!renewal.background && !(keeper.finishesAttempts && attempting)) {
          forget();
          controller.abort();
        }
      },
    };
    renewal.result.then(
      () => {
        failedInBackground = 0;
      },
      () => {
        // Callers that wait receive the error; without any, the next attempt can wait.
        if (background) {
          const pauseMs = Math.min(firstPauseMs * 2 ** failedInBackground++, longestWaitMs);
          earliestInBackgroundMs = environment.monotonicMs() + jittered(environment, pauseMs);
        }
      },
    );
    return renewal;
  };

  const ready = (refused: string | undefined): string | undefined => {
    if (refused !== undefined) {
      keeper.drop(refused);
    }
    const held = keeper.held();
    if (held === undefined || isExpired(held.lifetime, environment)) {
      return undefined;
    }
    const nowMs = environment.monotonicMs();
    if (
      current === undefined &&
      isDue(held.lifetime, environment) &&
      nowMs >= Math.max(earliestMs, earliestInBackgroundMs)
    ) {
      current = start(true);
    }
    return held.token;
  };
  const requested = async (signal: AbortSignal | undefined): Promise<string> => {
    if (signal?.aborted) {
      throw aborted(signal);
    }
    current ??= start(false);
    return join(current, signal, environment);
  };

  // A held token as it is: a promise of it would cost every call.
  return (request) => {
    try {
      return ready(request?.refused) ?? requested(request?.signal);
    } catch (reason) {
      return Promise.reject(reason);
    }
  };
}

/** A renewal that callers wait for. */
export interface Joinable {
  waiting: number;
  readonly result: Promise<HeldToken>;
  /** The last transient failure. */
  lastFailure: Error | undefined;
  /** Called when the last caller has left. */
  abandon(): void;
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
 * @throws the error of the renewal, or its last transient failure; the error of `aborted` when the caller
 * leaves.
 */
export function join(
  renewal: Joinable,
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
      reject(aborted(signal as AbortSignal));
    };
    const waitMs = patience(signal);
    const cancel = environment.setTimer(() => {
      leave();
      reject(renewal.lastFailure ?? gaveUp(waitMs));
    }, waitMs);
    signal?.addEventListener("abort", onAbort, { once: true });
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
  return tokenError(
    `no token within ${Math.round(waitedMs) / 1000} s: the authorization server did not respond`,
    Code.DeadlineExceeded,
  );
}

const firstBackoffMs = 100;
/** Short, so that waiting calls continue soon after a server has recovered. */
const maxBackoffMs = 1_000;
/** The longest wait between two attempts, whatever `Retry-After` is. */
export const longestWaitMs = 30_000;

/**
 * Retries until an attempt succeeds or fails permanently, or the signal is aborted.
 *
 * @param onFailure called with each transient failure; if it throws, the retries stop.
 * @param firstDelayMs before the first attempt.
 */
export async function retrying<T>(
  environment: Environment,
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onFailure: (failure: TransientFailure) => void,
  firstDelayMs = 0,
): Promise<T> {
  let delayMs = firstDelayMs;
  for (let failures = 0; ; failures++) {
    if (delayMs > 0) {
      // Callers that wait hold a timer that keeps the process alive.
      await sleep(environment, delayMs, signal, { background: true });
      signal.throwIfAborted();
    }
    try {
      return await attempt();
    } catch (reason) {
      if (!(reason instanceof TransientFailure)) {
        throw reason;
      }
      onFailure(reason);
      delayMs = Math.min(
        longestWaitMs,
        Math.max(reason.retryAfterMs, backoffMs(failures, environment)),
      );
    }
  }
}

/** Doubles from attempt to attempt, with jitter so that a fleet does not retry in step. */
function backoffMs(failures: number, environment: Environment): number {
  return jittered(environment, Math.min(maxBackoffMs, firstBackoffMs * 2 ** failures));
}

/** Retries for this long, then fails with the last error. */
export async function retryingFor<T>(
  environment: Environment,
  timeoutMs: number,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = environment.setTimer(() => controller.abort(), timeoutMs);
  let lastFailure: Error | undefined;
  try {
    return await retrying(
      environment,
      signal,
      () => attempt(signal),
      ({ error }) => {
        lastFailure = error;
      },
    );
  } catch (reason) {
    throw signal.aborted ? (lastFailure ?? reason) : reason;
  } finally {
    cancel();
  }
}

/** The lifetime of a token, counted from when it was requested. */
export interface Lifetime {
  readonly startedAtWallMs: number;
  readonly startedAtMonotonicMs: number;
  /**
   * The server's `expires_in`; undefined if it was missing: the token is then used until a server rejects it.
   */
  readonly durationMs: number | undefined;
}

export interface HeldToken {
  readonly token: string;
  readonly lifetime: Lifetime;
}

/** A token is renewed this long before it expires, or a tenth of its lifetime if that is less. */
const maxRenewalMarginMs = 60_000;

/**
 * Records when a token is requested; the server counts from slightly later. The returned function takes the
 * `expires_in` of the response, in seconds.
 */
export function startLifetime(
  environment: Environment,
): (expiresInSeconds: number | undefined) => Lifetime {
  const startedAtWallMs = environment.wallMs();
  const startedAtMonotonicMs = environment.monotonicMs();
  return (expiresInSeconds) => ({
    startedAtWallMs,
    startedAtMonotonicMs,
    durationMs: expiresInSeconds === undefined ? undefined : expiresInSeconds * 1000,
  });
}

/** Whether a new token is due: the old one has expired, or is about to. */
export function isDue(lifetime: Lifetime, environment: Environment): boolean {
  const { durationMs } = lifetime;
  return (
    durationMs !== undefined &&
    ageMs(lifetime, environment) >= durationMs - Math.min(maxRenewalMarginMs, durationMs / 10)
  );
}

export function isExpired(lifetime: Lifetime, environment: Environment): boolean {
  const { durationMs } = lifetime;
  return durationMs !== undefined && ageMs(lifetime, environment) >= durationMs;
}

/**
 * The age by the clock that shows more: the monotonic clock may stop while a laptop sleeps, and the wall
 * clock may be set back.
 */
function ageMs(lifetime: Lifetime, environment: Environment): number {
  return Math.max(
    environment.wallMs() - lifetime.startedAtWallMs,
    environment.monotonicMs() - lifetime.startedAtMonotonicMs,
  );
}

/** Milliseconds until a token expires; undefined if the lifetime is unknown. */
export function remainingLifeMs(lifetime: Lifetime, environment: Environment): number | undefined {
  const { durationMs } = lifetime;
  return durationMs === undefined ? undefined : durationMs - ageMs(lifetime, environment);
}
