/** What the package uses of the platform: clocks, timers and randomness. Tests replace it. */
export interface Environment {
  /** Milliseconds since the epoch; jumps when the clock is set. */
  wallMs(): number;
  /** Monotonic milliseconds, which may stop while the machine sleeps. */
  monotonicMs(): number;
  /** From 0 to less than 1. */
  random(): number;
  /**
   * Calls back once, after this many milliseconds on the monotonic clock. Returns a function that cancels it.
   *
   * @param delayMs any number: infinite for never.
   */
  setTimer(callback: () => void, delayMs: number, options?: TimerOptions): () => void;
}

export interface TimerOptions {
  /** The timer does not keep the process alive. */
  readonly background?: boolean;
}

/** The longest delay that timers support (a 32-bit integer); a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

export const platform: Environment = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  setTimer(callback, delayMs, options) {
    const endsAtMs = performance.now() + delayMs;
    // Timers may fire slightly early, and a long delay is split.
    const fire = () => {
      const remainingMs = endsAtMs - performance.now();
      if (remainingMs > 0) {
        timer = startTimer(fire, remainingMs, options);
      } else {
        callback();
      }
    };
    let timer = startTimer(fire, delayMs, options);
    return () => clearTimeout(timer);
  },
};

function startTimer(fire: () => void, delayMs: number, options?: TimerOptions): number {
  const timer: unknown = setTimeout(fire, Math.min(Math.max(0, Math.ceil(delayMs)), maxTimerMs));
  if (options?.background) {
    // Browsers return numbers, which need no unref.
    (timer as { unref?(): void }).unref?.();
  }
  return timer as number;
}

/** Resolves after this many milliseconds, or earlier when the signal is aborted. */
export function sleep(
  environment: Environment,
  delayMs: number,
  signal?: AbortSignal,
  options?: TimerOptions,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = environment.setTimer(done, delayMs, options);
    signal?.addEventListener("abort", done);
  });
}

/** The time now, as RFC 3339 has it, in UTC: `2026-11-22T08:00:00.000Z`. */
export function timestamp(environment: Environment): string {
  return new Date(environment.wallMs()).toISOString();
}

/** An exponential backoff: the first pause, the longest, and the factor between one and the next (2). */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor?: number;
}

/** The pause after so many failures in a row, with 20 % jitter, so that a fleet does not retry in step. */
export function exponential(
  environment: Environment,
  { firstMs, maxMs, factor = 2 }: Backoff,
  failures: number,
): number {
  return Math.min(maxMs, firstMs * factor ** (failures - 1)) * (0.8 + 0.4 * environment.random());
}

/**
 * Runs something with a time limit, whether or not it respects its signal. Unlike `AbortSignal.timeout` and
 * `AbortSignal.any`, it leaves nothing behind: a million requests share one outer signal. It needs no more of a
 * signal than React Native's have.
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
  let stop = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      const end = (reason: unknown) => {
        // First: what was run fails with an error of its own.
        reject(reason);
        controller.abort(reason);
      };
      const onAbort = () =>
        end(outer?.reason ?? Object.assign(new Error("aborted"), { name: "AbortError" }));
      const cancelTimer = environment.setTimer(() => end(timeoutError()), timeoutMs, {
        background: true,
      });
      outer?.addEventListener("abort", onAbort);
      stop = () => {
        cancelTimer();
        outer?.removeEventListener("abort", onAbort);
      };
      if (outer?.aborted) {
        onAbort();
      }
      run(controller.signal).then(resolve, reject);
    });
  } finally {
    stop();
  }
}

/**
 * How long a server asks to wait by `Retry-After`, in milliseconds: 0 for a date in the past, undefined if
 * the header is missing or invalid (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: seconds, or a
 * date).
 *
 * @param nowMs milliseconds since the epoch, for a date.
 */
export function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  // Platforms parse other text as a date as well, for example "-5"; HTTP dates begin with the day.
  const waitMs = /^[a-z]{3}/i.test(value) ? Date.parse(value) - nowMs : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/**
 * The same, but `grpc-retry-pushback-ms` takes precedence: infinite means no retry at all
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
 */
export function readPushbackMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get("grpc-retry-pushback-ms");
  if (value === null) {
    return readRetryAfterMs(headers, nowMs);
  }
  return /^\d+$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}
