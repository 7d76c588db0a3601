import { Code } from "@connectrpc/connect";
import { type Io, line } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";

/**
 * Writes results to standard output: each at once. On a terminal those that are done are left out, and
 * what else there is waits until the progress bar is gone.
 */
export function createResults(io: Io, json: boolean) {
  const waiting: string[] = [];
  const waits = Boolean(io.stdout.isTTY && io.stderr.isTTY);
  return {
    /** @param userId "" when it is not known; with it, what `--json` writes is input for `deactivate`. */
    add(outcome: LoggedOutcome, userId: string): void {
      if (io.stdout.isTTY && !json && /^(?:removed|deactivated)$/.test(outcome.status)) {
        return;
      }
      const text = json
        ? JSON.stringify(userId === "" ? outcome : { userId, ...outcome })
        : outcomeLine(outcome);
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

/** Columns between tabs, so that `cut` and spreadsheets can take them apart. */
export function outcomeLine({ grantId, status, answerLost, error }: LoggedOutcome): string {
  const reason =
    error === undefined
      ? []
      : [[Code[error.code], error.id, error.message].filter(Boolean).join(" ")];
  return [grantId, status, ...reason, ...(answerLost ? ["response lost"] : [])].join("\t");
}
