import type { Environment } from "./environment.js";
import type { Signal } from "./shared-signal.js";

/** Settles like the promise, or rejects with the signal's reason when that is aborted sooner. */
export function untilAborted<T>(promise: Promise<T>, signal: Signal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) {
      onAbort();
    }
    const settle = () => signal.removeEventListener("abort", onAbort);
    promise.then(resolve, reject).then(settle);
  });
}

/**
 * Runs something with a time limit, whether or not it respects its signal. Unlike `AbortSignal.timeout` and
 * `AbortSignal.any`, it leaves nothing behind: a million requests share one outer signal.
 *
 * @throws the error of `timeoutError`; the outer signal's reason when that is aborted.
 */
export async function withinTime<T>(
  environment: Environment,
  timeoutMs: number,
  outer: AbortSignal | undefined,
  timeoutError: () => Error,
  run: (inner: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(outer?.reason);
  const onTime = () => controller.abort(timeoutError());
  const cancelTimer = environment.setTimer(onTime, timeoutMs, { background: true });
  outer?.addEventListener("abort", onAbort);
  if (outer?.aborted) {
    onAbort();
  }
  try {
    return await untilAborted(run(controller.signal), controller.signal);
  } finally {
    cancelTimer();
    outer?.removeEventListener("abort", onAbort);
  }
}
