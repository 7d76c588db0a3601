/** What token sources take from the platform: time and chance. Tests give their own. */
export interface Environment {
  /** Milliseconds since the epoch; jumps when somebody sets the clock. */
  wallMs(): number;
  /** Milliseconds that only ever grow, but may stand still while the machine sleeps. */
  monotonicMs(): number;
  /** From 0 to less than 1. */
  random(): number;
  /**
   * Calls back once, after so many milliseconds. Returns what prevents that.
   *
   * @param options `background`: the timer does not keep a program alive.
   */
  setTimer(callback: () => void, delayMs: number, options?: TimerOptions): () => void;
}

export interface TimerOptions {
  readonly background?: boolean | undefined;
}

/** The longest delay that timers take (a 32-bit integer); a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

export const platform: Environment = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  setTimer: (callback, delayMs, options) => {
    const timer: unknown = setTimeout(callback, Math.min(delayMs, maxTimerMs));
    if (options?.background) {
      // Browsers have numbers here, and nothing to keep alive.
      (timer as { unref?(): void }).unref?.();
    }
    return () => clearTimeout(timer as number);
  },
};

/**
 * Resolves after so many milliseconds, or rejects with the signal's reason when that is aborted. Keeps no
 * program alive: whoever waits for what comes after has a timer for it.
 */
export function sleep(
  environment: Environment,
  delayMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = environment.setTimer(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      delayMs,
      { background: true },
    );
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
  });
}
