import { Code } from "@connectrpc/connect";
import { type Io, line } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";
import { printable } from "./printable.js";

/** Writes lines to standard output: immediately, or on a terminal once the progress bar has been removed. */
export function createResultLines(io: Io) {
  const waiting: string[] = [];
  let full: Promise<void> | undefined;
  const waits = Boolean(io.stdout.isTTY && io.stderr.isTTY);
  return {
    add(text: string): void {
      if (waits) {
        waiting.push(text);
      } else {
        let goesOn: unknown;
        const written = new Promise<void>((resolve) => {
          // Called as well after the reader has left.
          goesOn = io.stdout.write(`${text}\n`, () => resolve());
        });
        full = goesOn === false ? written : undefined;
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
