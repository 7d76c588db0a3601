import { Code } from "@connectrpc/connect";
import { type Io, line } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";
import { printable } from "./printable.js";

/** Writes lines to standard output: each at once, but on a terminal when the progress bar is gone. */
export function createResultLines(io: Io) {
  const waiting: string[] = [];
  const waits = Boolean(io.stdout.isTTY && io.stderr.isTTY);
  return {
    add(text: string): void {
      if (waits) {
        waiting.push(text);
      } else {
        line(io.stdout, text);
      }
    },
    end(): void {
      for (const text of waiting) {
        line(io.stdout, text);
      }
    },
  };
}

/** Writes the results of a run, on a terminal without those that are done. */
export function createResults(io: Io, json: boolean) {
  const lines = createResultLines(io);
  return {
    /** @param userId "" when it is not known; with it, what `--json` writes is input for `deactivate`. */
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

/** What an error says, on one line that a terminal can show; nothing without an error. */
export function reasonsOf(error: LoggedOutcome["error"]): readonly string[] {
  return error === undefined
    ? []
    : [printable([Code[error.code], error.id, error.message].filter(Boolean).join(" "))];
}
