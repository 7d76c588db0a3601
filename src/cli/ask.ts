import { type Io, UsageError } from "./io.js";
import type { BulkCommand } from "./settings.js";

export function question(command: BulkCommand, count: number): string {
  return `${command === "remove" ? "Remove" : "Deactivate"} ${count === 1 ? "1 grant" : `${count} grants`}?`;
}

/** @throws UsageError when there is no way to ask, and `--yes` was not given. */
export function checkCanAsk(yes: boolean | undefined, stdinTaken: boolean, io: Io): void {
  if (!yes && (stdinTaken || !io.stdin.isTTY || !io.stderr.isTTY)) {
    throw new UsageError(
      `Nothing was done: ${stdinTaken ? "standard input is taken" : "there is no terminal"}, so there is no way to ask. Add --yes to go ahead.`,
    );
  }
}
