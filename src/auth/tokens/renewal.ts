import { Code } from "@connectrpc/connect";
import type { TokenSource } from "../../options/token-source.js";
import type { Environment } from "./environment.js";
import { isDue, isExpired, type Lifetime } from "./lifetime.js";
import { retrying } from "./retrying.js";
import { aborted, tokenError } from "./token-error.js";

export interface HeldToken {
  readonly token: string;
  readonly lifetime: Lifetime;
}

/** Where tokens come from and where they are kept; this module decides when to ask. */
export interface TokenKeeper {
  held(): HeldToken | undefined;
  /** Forgets the held token, if it is this one: a server refused it. */
  drop(token: string): void;
  /**
   * Makes one attempt to get a new token, and keeps it.
   *
   * @throws TransientFailure when a later attempt may succeed.
   */
  renew(signal: AbortSignal): Promise<HeldToken>;
  /**
   * Whether an attempt goes on after all callers have left, until its own deadline: where a lost
   * answer costs more than the request does.
   */
  readonly finishesAttempts: boolean;
}

/** How long a caller waits whose call has a deadline of its own: less than the 30 s that calls have. */
export const patienceMs = 25_000;
const patienceWithoutSignalMs = 30_000;
/** How long a caller waits for a new token while the old one still works. */
const patienceWithTokenMs = 2_000;

/** Attempts under way on behalf of everybody who waits for a token. */
interface Renewal {
  waiting: number;
  readonly result: Promise<HeldToken>;
  lastFailure: Error | undefined;
  /** Ends it when nobody waits any more. */
  abandon(): void;
}

/** Returns the held token until it is due or refused; then one request gets a new one for all. */
export function createTokenSource(keeper: TokenKeeper, environment: Environment): TokenSource {
  let current: Renewal | undefined;

  const start = (): Renewal => {
    const controller = new AbortController();
    const { signal } = controller;
    let attempting = false;
    const attempts = () =>
      retrying(
        environment,
        signal,
        () => {
          attempting = true;
          return keeper.renew(signal);
        },
        (error) => {
          attempting = false;
          renewal.lastFailure = error;
          if (renewal.waiting === 0) {
            throw error;
          }
        },
      );
    const forget = () => {
      if (current === renewal) {
        current = undefined;
      }
    };
    const renewal: Renewal = {
      waiting: 0,
      // Not before `renewal` is there: an attempt may fail at once.
      result: Promise.resolve().then(attempts).finally(forget),
      lastFailure: undefined,
      abandon: () => {
        if (!(keeper.finishesAttempts && attempting)) {
          forget();
          controller.abort();
        }
      },
    };
    // Whoever waits hears of it; when nobody does, nobody needs to.
    renewal.result.catch(() => {});
    return renewal;
  };

  /** The held token, where it has not expired: something for when no new one is to be had. */
  const stillValid = (): string | undefined => {
    const held = keeper.held();
    return held !== undefined && !isExpired(held.lifetime, environment) ? held.token : undefined;
  };

  const join = (renewal: Renewal, signal: AbortSignal | undefined): Promise<string> =>
    new Promise((resolve, reject) => {
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
      const failWith = (reason: unknown) => {
        const token = stillValid();
        if (token === undefined) {
          reject(reason);
        } else {
          resolve(token);
        }
      };
      const onAbort = () => {
        leave();
        reject(aborted(signal as AbortSignal));
      };
      const waitMs =
        stillValid() !== undefined
          ? patienceWithTokenMs
          : signal === undefined
            ? patienceWithoutSignalMs
            : patienceMs;
      const cancel = environment.setTimer(() => {
        leave();
        failWith(renewal.lastFailure ?? gaveUp(waitMs));
      }, waitMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      renewal.result.then(
        ({ token }) => {
          leave();
          resolve(token);
        },
        (reason) => {
          leave();
          failWith(reason);
        },
      );
    });

  return async (request) => {
    const { refused, signal } = request ?? {};
    if (signal?.aborted) {
      throw aborted(signal);
    }
    if (refused !== undefined) {
      keeper.drop(refused);
    }
    const held = keeper.held();
    if (held !== undefined && !isDue(held.lifetime, environment)) {
      return held.token;
    }
    current ??= start();
    return join(current, signal);
  };
}

function gaveUp(waitedMs: number): Error {
  return tokenError(
    `no token within ${waitedMs / 1000} s: the authorization server did not answer`,
    Code.DeadlineExceeded,
  );
}
