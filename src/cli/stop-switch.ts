import { type Io, line } from "./io.js";

/** The effect of Ctrl-C on a run: once to finish what is in flight, twice to exit at once. */
export interface StopSwitch {
  /** Whether no further work may be started. */
  readonly stopped: boolean;
  /** Resolves as soon as no further work may be started. */
  readonly whenStopped: Promise<void>;
  /** Whether the user interrupted the run. */
  readonly interrupted: boolean;
  /** Aborted when requests in flight are cancelled, too. */
  readonly signal: AbortSignal;
  /** Stops starting work, for a reason other than an interrupt. */
  readonly stop: () => void;
  /** Removes the listeners. */
  readonly end: () => void;
}

export function createStopSwitch(io: Io): StopSwitch {
  const hardStop = new AbortController();
  let interrupted = false;
  let stopped = false;
  let resolveStopped = () => {};
  const whenStopped = new Promise<void>((resolve) => {
    resolveStopped = resolve;
  });
  const stop = () => {
    stopped = true;
    resolveStopped();
  };
  const end = io.onInterrupt(() => {
    if (interrupted) {
      hardStop.abort(new Error("interrupted"));
    } else {
      interrupted = true;
      stop();
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
    ...{ whenStopped, stop, end },
  };
}
