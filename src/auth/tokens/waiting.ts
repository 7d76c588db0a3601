import { Code } from "@connectrpc/connect";
import type { Environment } from "../../common/environment.js";
import { remainingMs } from "../../transports/call/deadline.js";
import type { HeldToken } from "./lifetime.js";
import { aborted, tokenError } from "./token-error.js";

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
  const remaining = remainingMs(signal);
  return remaining === undefined ? patienceMs : remaining - Math.min(maxMarginMs, remaining / 10);
}

function gaveUp(waitedMs: number): Error {
  return tokenError(
    `no token within ${Math.round(waitedMs) / 1000} s: the authorization server did not respond`,
    Code.DeadlineExceeded,
  );
}
