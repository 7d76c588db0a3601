#!/usr/bin/env node
import { main } from "./main.js";

// Whoever reads the results may leave before the end (`| head`); the work goes on.
for (const output of [process.stdout, process.stderr]) {
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      throw error;
    }
  });
}

const signals = ["SIGINT", "SIGTERM"] as const;

process.exitCode = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  onInterrupt: (listener) => {
    for (const signal of signals) {
      process.on(signal, listener);
    }
    return () => {
      for (const signal of signals) {
        process.off(signal, listener);
      }
    };
  },
});
// A terminal or a pipe that was read from would keep the process alive.
process.stdin.destroy();
