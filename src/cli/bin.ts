#!/usr/bin/env node
import { exitCode, fileProblem } from "./io.js";

const oldestNode = 22;
if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  process.stderr.write(
    `zitadel-user-grants needs Node.js ${oldestNode} or later, and this is ${process.version}.\n`,
  );
  process.exit(exitCode.usage);
}
// What it imports may not load in an older version.
const { main } = await import("./main.js");

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
    // What there is of a log that has not begun is cleared away as the process exits.
    process.stderr.write("\nStopped.\n");
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
  if (error.code !== "EPIPE") {
    outputFailure ??= error;
    // The results cannot be stored: no further request is started, as after Ctrl-C.
    if (!interrupted) {
      interrupt();
    }
  }
});
process.stderr.on("error", () => {
  // There is no other place to report it.
});

/** By NO_COLOR, FORCE_COLOR and the kind of terminal, as Node has it. */
function traits(stream: NodeJS.WriteStream) {
  const { FORCE_COLOR: forced, TERM: terminal } = process.env;
  return {
    isDumb: terminal === "dumb",
    isColored:
      forced === undefined
        ? Boolean(stream.isTTY && stream.hasColors?.())
        : forced !== "0" && forced !== "false",
  };
}

const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: Object.assign(process.stdout, traits(process.stdout)),
  stderr: Object.assign(process.stderr, traits(process.stderr)),
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
// Whether the last of it can be written shows only now; after an interrupt, a reader that takes nothing is not waited for.
await new Promise<void>((resolve) => {
  process.stdout.write("", () => process.stderr.write("", () => resolve()));
  interruptListeners.add(resolve);
  if (interrupted) {
    resolve();
  }
});
if (outputFailure !== undefined) {
  const problem = fileProblem(outputFailure);
  process.stderr.write(`Standard output could not be written: ${problem}.\n`);
}
// Output that cannot be written is neither wrong usage nor success.
process.exit(outputFailure !== undefined && code === exitCode.done ? exitCode.stopped : code);
