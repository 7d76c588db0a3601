import { type Environment, jittered, sleep } from "../../common/environment.js";
import { TransientFailure } from "./token-error.js";

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
