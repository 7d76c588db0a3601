/** What a bulk run takes from the world around it, so that tests can give it another one. */
export interface Environment {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Resolves after that time, or when the signal is aborted if that is sooner. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to 1, for jitter. */
  random(): number;
}

export const realEnvironment: Environment = {
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    }),
};
