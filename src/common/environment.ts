import type { Signal } from "./shared-signal.js";

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

export interface SleepOptions extends TimerOptions {
  /** Aborted when the client is closed. */
  readonly closed?: Signal | undefined;
}

/** Resolves after this many milliseconds, or earlier when one of the signals is aborted. */
export function sleep(
  environment: Environment,
  delayMs: number,
  signal?: Signal,
  options?: SleepOptions,
): Promise<void> {
  return new Promise((resolve) => {
    const signals = [signal, options?.closed];
    if (signals.some((one) => one?.aborted)) {
      resolve();
      return;
    }
    const done = () => {
      cancel();
      for (const one of signals) {
        one?.removeEventListener("abort", done);
      }
      resolve();
    };
    const cancel = environment.setTimer(done, delayMs, options);
    for (const one of signals) {
      one?.addEventListener("abort", done);
    }
  });
}

/** The time now, as RFC 3339 has it, in UTC: `2026-11-22T08:00:00.000Z`. */
export function timestamp(environment: Environment): string {
  return new Date(environment.wallMs()).toISOString();
}

/** Between half of the time and all of it, so that a fleet does not retry in step. */
export function jittered(environment: Environment, ms: number): number {
  return ms * (0.5 + environment.random() / 2);
}
