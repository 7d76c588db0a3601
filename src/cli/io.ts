/** A stream to write to; a terminal says so, and how wide it is. */
export interface Output {
  /** @param done is called when it is written, or with what went wrong. */
  write(text: string, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** What a command needs of the process that it runs in. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the listener each time that the user asks the program to end. Returns what takes it off. */
  readonly onInterrupt: (listener: () => void) => () => void;
}

/** The exit codes of all commands. */
export const exitCode = {
  /** Every grant is done. */
  done: 0,
  /** The command line, its input or a log cannot be used. Nothing was sent. */
  usage: 1,
  /** Some grants failed or were not found. */
  incomplete: 2,
  /** Stopped before the end, by the user or for safety. */
  stopped: 3,
  /** Aborted: connection, authentication or permission failure. */
  aborted: 4,
} as const;

/** What is wrong with the command line, the environment or a file; for the user. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** The user has stopped the command before it has changed anything. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export function line(output: Output, text = ""): void {
  output.write(`${text}\n`);
}

/** Whoever read the output has left, as `head` does. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/**
 * Writes, and resolves when the reader has taken it: what is read faster than it is written must not
 * fill the memory.
 *
 * @throws OutputClosed when nobody reads any more; otherwise what the system says.
 */
export function writeAll(output: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => {
      if (!error) {
        resolve();
      } else if (
        "code" in error &&
        (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED")
      ) {
        reject(new OutputClosed());
      } else {
        reject(error);
      }
    });
  });
}
