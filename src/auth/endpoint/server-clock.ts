import type { Environment } from "../../common/environment.js";

/** A clock that is off by less does no harm, and `Date` has no more than seconds. */
const toleranceMs = 5_000;

/** The authorization server's time, as far as its responses tell. */
export interface ServerClock {
  /** Milliseconds since the epoch, by the server's clock. */
  nowMs(): number;
  /** How far the server's clock is ahead of this machine's, in milliseconds; 0 for less than 5 s. */
  offsetMs(): number;
  /** Takes the time from something that the server dated just now; NaN tells nothing. */
  note(dateMs: number): void;
  /** "The clock of this machine is 70 s ahead of the server's"; undefined where it is right. */
  complaint(): string | undefined;
}

export function createServerClock(environment: Environment): ServerClock {
  let offsetMs = 0;
  return {
    nowMs: () => environment.wallMs() + offsetMs,
    offsetMs: () => offsetMs,
    note: (dateMs) => {
      const foundMs = dateMs - environment.wallMs();
      if (!Number.isNaN(foundMs)) {
        offsetMs = Math.abs(foundMs) < toleranceMs ? 0 : foundMs;
      }
    },
    complaint: () =>
      offsetMs === 0
        ? undefined
        : `The clock of this machine is ${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? "ahead of" : "behind"} the server's`,
  };
}
