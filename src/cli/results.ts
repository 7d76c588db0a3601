import { Code } from "@connectrpc/connect";
import { type Io, line } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";
import { printable } from "./printable.js";

/** From this many characters on that the stream has not written, lines are held back in less memory. */
const mostUnwritten = 1 << 20;
const blockLength = 1 << 16;

/**
 * Writes lines to standard output: immediately, or on a terminal once the progress bar has been removed. It
 * never waits: a reader that takes nothing must not keep grants from being removed. What it has not taken is
 * held in blocks, which take little more than the text itself.
 */
export function createResultLines(io: Io) {
  const waiting: string[] = [];
  let full: Promise<void> | undefined;
  const waits = Boolean(io.stdout.isTTY && io.stderr.isTTY);
  let unwritten = 0;
  let blocks: Buffer[] = [];
  let block = "";
  const write = (text: string) => {
    unwritten += text.length;
    let goesOn: unknown;
    const written = new Promise<void>((resolve) => {
      // Called as well after the reader has left.
      goesOn = io.stdout.write(text, () => {
        unwritten -= text.length;
        resolve();
        if (unwritten === 0) {
          writeHeld();
        }
      });
    });
    full = goesOn === false ? written : undefined;
  };
  const hold = (text: string) => {
    block += text;
    if (block.length >= blockLength) {
      blocks.push(Buffer.from(block));
      block = "";
    }
  };
  const writeHeld = () => {
    const [next, ...rest] = blocks;
    const text = next?.toString() ?? block;
    blocks = rest;
    if (next === undefined) {
      block = "";
    }
    if (text !== "") {
      write(text);
    }
  };
  return {
    add(text: string): void {
      if (waits) {
        waiting.push(text);
      } else if (unwritten < mostUnwritten && blocks.length === 0 && block === "") {
        write(`${text}\n`);
      } else {
        hold(`${text}\n`);
      }
    },
    /** Resolves when the reader has taken what was added; undefined while there is room for more. */
    taken(): Promise<void> | undefined {
      return full;
    },
    end(): void {
      for (const text of waiting) {
        line(io.stdout, text);
      }
    },
  };
}

/** Writes the results of a run; on a terminal, only those that are not done. */
export function createResults(io: Io, json: boolean) {
  const lines = createResultLines(io);
  return {
    /**
     * @param userId "" if unknown; if it is known, the output of `--json` is valid input for `deactivate`.
     */
    add(outcome: LoggedOutcome, userId: string): void {
      if (io.stdout.isTTY && !json && /^(?:removed|deactivated)$/.test(outcome.status)) {
        return;
      }
      lines.add(
        json
          ? JSON.stringify(userId === "" ? outcome : { userId, ...outcome })
          : outcomeLine(outcome),
      );
    },
    end: lines.end,
  };
}

/** Columns between tabs, so that `cut` and spreadsheets can take them apart. */
export function outcomeLine({ grantId, status, answerLost, error }: LoggedOutcome): string {
  return [grantId, status, ...reasonsOf(error), ...(answerLost ? ["response lost"] : [])].join(
    "\t",
  );
}

/** The message of an error, on one line that is safe for a terminal; empty without an error. */
export function reasonsOf(error: LoggedOutcome["error"]): readonly string[] {
  return error === undefined
    ? []
    : [printable([Code[error.code], error.id, error.message].filter(Boolean).join(" "))];
}
