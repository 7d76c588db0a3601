import type { Environment } from "../../src/auth/tokens/environment.js";

/** Time that stands still until a test moves it, and no chance. */
export interface FakeEnvironment extends Environment {
  /** Moves both clocks, and runs what is due on the way, in order. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone, as setting it does. */
  setWall(deltaMs: number): void;
  /** Moves the wall clock alone while the machine sleeps: timers do not run either. */
  suspend(ms: number): void;
  /** Timers that would still run. */
  readonly timers: number;
  /** Those of them that would keep a program alive. */
  readonly timersThatKeepAlive: number;
}

export function createFakeEnvironment(): FakeEnvironment {
  let wallMs = Date.parse("2026-11-22T08:00:00Z");
  let monotonicMs = 1000;
  const timers = new Set<{ atMs: number; callback: () => void; background: boolean }>();
  return {
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    random: () => 0.5,
    setTimer: (callback, delayMs, { background = false } = {}) => {
      const timer = { atMs: monotonicMs + delayMs, callback, background };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    get timers() {
      return timers.size;
    },
    get timersThatKeepAlive() {
      return [...timers].filter(({ background }) => !background).length;
    },
    setWall: (deltaMs) => {
      wallMs += deltaMs;
    },
    suspend: (ms) => {
      wallMs += ms;
    },
    advance: async (ms) => {
      const endMs = monotonicMs + ms;
      for (;;) {
        await settle();
        const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0];
        const stepMs = Math.min(next?.atMs ?? endMs, endMs) - monotonicMs;
        wallMs += stepMs;
        monotonicMs += stepMs;
        if (next === undefined || next.atMs > endMs) {
          return settle();
        }
        timers.delete(next);
        next.callback();
      }
    },
  };
}

/** Lets everything go on that can go on without time passing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
