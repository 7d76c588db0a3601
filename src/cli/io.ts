import { getSystemErrorMap } from "node:util";
import type { Environment } from "../bulk/internal.js";

/** An output stream; for a terminal, also that it is one and its width. */
export interface Output {
  /** @param done is called when the text is written, or with the error. */
  write(text: string, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean | undefined;
  /** Whether it knows no escapes, as with TERM=dumb: nothing is drawn over itself then. */
  readonly isDumb?: boolean | undefined;
  /** Whether colors are wanted and shown. */
  readonly isColored?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** What a command needs from its process. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the listener on each interrupt (Ctrl-C). Returns a function that removes it. */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** The clock of waits; the platform's when not given. */
  readonly environment?: Environment | undefined;
}

/** The exit codes of all commands. */
export const exitCode = {
  done: 0,
  usage: 1,
  incomplete: 2,
  stopped: 3,
  aborted: 4,
} as const;

/** What they mean, as help and docs/cli.md say it, from 0. */
export const exitCodes = [
  "done: everything that was asked for is done, and in effect",
  "wrong usage: the command line, a file or a log; nothing was sent",
  "incomplete: some grants failed, were not found or still give roles",
  "stopped: by you, for safety, or because output cannot be written",
  "aborted: connection, authentication or permission failure",
];

/** The end of a command, with what is said about it and its exit code. */
export class Ended extends Error {
  readonly exitCode: number;

  constructor(code: number, message = "", options?: ErrorOptions) {
    super(message, options);
    this.exitCode = code;
  }
}

/** An error in the command line, the environment or a file, with a message for the user. */
export class UsageError extends Ended {
  constructor(message: string, options?: ErrorOptions) {
    super(exitCode.usage, message, options);
  }
}

export function line(output: Output, text = ""): void {
  output.write(`${text}\n`);
}

/**
 * Writes to standard output, and resolves when the reader has consumed it: input that is read faster than
 * output is written must not fill the memory.
 *
 * @throws Ended when the reader has closed it, as `head` does, or it cannot be written, as on a full disk, which
 * the process reports; at Ctrl-C as well, while the reader takes nothing.
 */
export function writeAll({ stdout, onInterrupt }: Io, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopListening = onInterrupt(() => reject(new Ended(exitCode.stopped, "Stopped.")));
    stdout.write(text, (error) => {
      stopListening();
      if (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        const isClosed = code === "EPIPE" || code === "ERR_STREAM_DESTROYED";
        reject(new Ended(isClosed ? exitCode.done : exitCode.stopped));
      } else {
        resolve();
      }
    });
  });
}

/** Standard input, to be read to its end. @throws UsageError for a terminal, on which the tool may have to ask. */
export function pipedInput({ stdin }: Io): Io["stdin"] {
  if (stdin.isTTY) {
    throw new UsageError("Standard input is a terminal: pipe something into it, or name a file.");
  }
  return stdin;
}

/** Why a file cannot be read or written, in the system's words and with its code. */
export function fileProblem(error: unknown): string {
  const { errno = 0, message } = error as NodeJS.ErrnoException;
  const [code, text] = getSystemErrorMap().get(errno) ?? [];
  return text === undefined ? message : `${text} (${code})`;
}
