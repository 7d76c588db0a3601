import { createInterface } from "node:readline/promises";
import type { Io } from "./io.js";

/** Asks on the terminal. Anything but y or yes is no; so are Ctrl-C and the end of the input. */
export async function confirm(question: string, io: Io): Promise<boolean> {
  const left = new AbortController();
  const terminal = createInterface({
    input: io.stdin,
    output: io.stderr as NodeJS.WritableStream,
    terminal: true,
  });
  terminal.on("SIGINT", () => left.abort());
  terminal.on("close", () => left.abort());
  const stopListening = io.onInterrupt(() => left.abort());
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: left.signal });
    return /^y(?:es)?$/i.test(answer.trim());
  } catch (error) {
    if (left.signal.aborted) {
      io.stderr.write("\n");
      return false;
    }
    throw error;
  } finally {
    stopListening();
    terminal.close();
  }
}
