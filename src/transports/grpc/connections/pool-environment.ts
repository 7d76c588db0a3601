/** What a pool takes from the platform, so that tests can give it another one. */
export interface PoolEnvironment {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** From 0 to 1, for jitter. */
  random(): number;
  /** Calls back once, after so many milliseconds. Returns what prevents that. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

export const platform: PoolEnvironment = {
  now: () => performance.now(),
  random: () => Math.random(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
