import { type Io, line } from "./io.js";

/** What Ctrl-C does to a run: once to finish what is in flight, twice to leave at once. */
export interface StopSwitch {
  /** Whether nothing more is to be started. */
  readonly stopped: boolean;
  /** Whether the user asked for that. */
  readonly interrupted: boolean;
  /** Aborted when requests in flight are given up, too. */
  readonly signal: AbortSignal;
  /** Starts nothing more, for a reason that is not the user's. */
  readonly stop: () => void;
  /** Listens no longer. */
  readonly end: () => void;
}

export function createStopSwitch(io: Io): StopSwitch {
  const hardStop = new AbortController();
  let interrupted = false;
  let stopped = false;
  const end = io.onInterrupt(() => {
    if (interrupted) {
      hardStop.abort(new Error("interrupted"));
    } else {
      interrupted = true;
      stopped = true;
      line(io.stderr);
      line(io.stderr, "Finishing what is in flight. Press Ctrl-C again to leave at once.");
    }
  });
  return {
    get stopped() {
      return stopped;
    },
    get interrupted() {
      return interrupted;
    },
    signal: hardStop.signal,
    stop() {
      stopped = true;
    },
    end,
  };
}
