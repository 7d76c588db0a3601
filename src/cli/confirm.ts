import { createInterface } from "node:readline/promises";
import type { Io } from "./io.js";

/** Asks on the terminal. Undefined after Ctrl-C, and at the end of the input. */
export async function ask(question: string, io: Io): Promise<string | undefined> {
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
    return (await terminal.question(question, { signal: left.signal })).trim();
  } catch (error) {
    if (left.signal.aborted) {
      io.stderr.write("\n");
      return undefined;
    }
    throw error;
  } finally {
    stopListening();
    terminal.close();
  }
}
