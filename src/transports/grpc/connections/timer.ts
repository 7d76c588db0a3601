/** The longest delay that timers take (a 32-bit integer); a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** A timer that keeps no program alive; none at all when the delay is beyond what timers take. */
export function startTimer(
  delayMs: number,
  callback: () => void,
): ReturnType<typeof setTimeout> | undefined {
  return delayMs > maxTimerMs ? undefined : setTimeout(callback, Math.max(0, delayMs)).unref();
}
