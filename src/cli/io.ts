/** A stream to write to; a terminal says so, and how wide it is. */
export interface Output {
  write(text: string): unknown;
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

/** How a command ends. */
export const exitCode = {
  /** Every grant is done. */
  done: 0,
  /** The command line, its input or a log cannot be used. Nothing was sent. */
  usage: 1,
  /** Some grants failed or were not found. */
  incomplete: 2,
  /** Stopped before the end, by the user or for safety. */
  stopped: 3,
  /** Ended for want of connection, token or permission. */
  refused: 4,
} as const;

/** What is wrong with the command line, the environment or a file; for the user. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

export function line(output: Output, text = ""): void {
  output.write(`${text}\n`);
}
