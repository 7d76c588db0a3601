import type { Environment } from "../common/time.js";

/** A smaller clock skew does no harm, and `Date` is accurate only to a second. */
const toleranceMs = 5_000;
/** Assertions are valid for an hour, so this much earlier does no harm. */
const harmlessMs = 1_800_000;

/** The authorization server's time, as derived from its responses. */
export type ServerClock = ReturnType<typeof createServerClock>;

export function createServerClock(environment: Environment) {
  let offsetMs = 0;
  return {
    /** Milliseconds since the epoch, by the server's clock. */
    nowMs: () => environment.wallMs() + offsetMs,
    /**
     * Takes the time from the `Date` of a response, unless it may come from a cache: such a date is past. A much
     * earlier one is believed only of the rejection of a POST request, which no cache keeps.
     *
     * @returns whether it changed what is known.
     */
    note: (headers: Headers, isRejection: boolean): boolean => {
      const date = headers.get("date") ?? "";
      // Platforms parse other text as a date as well: "-5", or, in local time, one without its zone.
      const isDate = /^[a-z]{3,}, .+ GMT$/i.test(date) && !headers.has("age");
      const foundMs = isDate ? Date.parse(date) - environment.wallMs() : Number.NaN;
      if (Number.isNaN(foundMs) || (foundMs < -harmlessMs && !isRejection)) {
        return false;
      }
      const before = offsetMs;
      offsetMs = Math.abs(foundMs) < toleranceMs ? 0 : foundMs;
      return Math.abs(offsetMs - before) >= toleranceMs;
    },
    /** "The clock of this machine is 70 s ahead of the server's"; undefined if the clock is right. */
    complaint: () =>
      offsetMs === 0
        ? undefined
        : `The clock of this machine is ${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? "ahead of" : "behind"} the server's`,
  };
}
