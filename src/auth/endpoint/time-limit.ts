import type { Environment } from "../../common/environment.js";

/**
 * Runs something that may take so long, whether or not it heeds its signal.
 *
 * @throws what `timeoutError` makes; the outer signal's reason when that is aborted.
 */
export async function withinTime<T>(
  environment: Environment,
  timeoutMs: number,
  outer: AbortSignal,
  timeoutError: () => Error,
  run: (inner: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let release = () => {};
  const ended = new Promise<never>((_, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      controller.abort(reason);
    };
    const onAbort = () => end(outer.reason);
    const cancel = environment.setTimer(() => end(timeoutError()), timeoutMs, { background: true });
    outer.addEventListener("abort", onAbort, { once: true });
    release = () => {
      cancel();
      outer.removeEventListener("abort", onAbort);
    };
    if (outer.aborted) {
      onAbort();
    }
  });
  try {
    return await Promise.race([ended, run(controller.signal)]);
  } finally {
    release();
  }
}
