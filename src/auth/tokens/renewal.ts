import { type Environment, jittered } from "../../common/environment.js";
import type { TokenSource } from "../../options/token-source.js";
import { type HeldToken, isDue, isExpired } from "./lifetime.js";
import { longestWaitMs, retrying } from "./retrying.js";
import { aborted, type TransientFailure } from "./token-error.js";
import { type Joinable, join } from "./waiting.js";

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
