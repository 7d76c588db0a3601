#!/usr/bin/env node
import { exitCode, fileProblem } from "./io.js";
import { main } from "./main.js";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const interruptListeners = new Set<() => void>();
let interrupted = false;
const interrupt = () => {
  interrupted = true;
  for (const listener of [...interruptListeners]) {
    listener();
  }
};
const onSignal = (signal: NodeJS.Signals) => {
  if (interruptListeners.size === 0) {
    // Nothing has begun: what there is of a log is cleared away as the process exits.
    process.stderr.write("\nStopped. Nothing was done.\n");
    process.exit(exitCode.stopped);
  }
  // A terminal that is closed sends several, and fails to write as well: not a user who presses twice.
  if (signal !== "SIGHUP" || !interrupted) {
    interrupt();
  }
};
for (const signal of signals) {
  process.on(signal, onSignal);
}

let outputFailure: Error | undefined;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of the results may stop early (`| head`); the work continues.
  if (error.code !== "EPIPE" && outputFailure === undefined) {
    outputFailure = error;
    // The results cannot be stored: no further request is started, as after Ctrl-C.
    if (!interrupted) {
      interrupt();
    }
  }
});
process.stderr.on("error", () => {
  // There is no other place to report it.
});

const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: Object.assign(process.stderr, { isDumb: process.env.TERM === "dumb" }),
  env: process.env,
  onInterrupt: (listener) => {
    interruptListeners.add(listener);
    if (outputFailure !== undefined) {
      interrupted = true;
      listener();
    }
    return () => interruptListeners.delete(listener);
  },
});
for (const signal of signals) {
  process.off(signal, onSignal);
}
if (outputFailure !== undefined) {
  const problem = fileProblem(outputFailure, "write");
  process.stderr.write(`Standard output could not be written: ${problem}.\n`);
}
// Output that cannot be written is neither wrong usage nor success.
process.exitCode = outputFailure !== undefined && code === exitCode.done ? exitCode.stopped : code;
// A terminal or a pipe that was read would keep the process alive.
process.stdin.destroy();
