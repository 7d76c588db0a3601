import { ask } from "./confirm.js";
import { type Io, UsageError } from "./io.js";
import { counted } from "./printable.js";
import type { BulkCommand } from "./settings.js";

/** From this many grants on, a y typed out of habit is not enough. */
const typedFrom = 100;

/** Asks for confirmation: by y, or by typing the number of grants if there are many. */
export async function mayGoAhead(
  command: BulkCommand | "restore",
  count: number,
  io: Io,
): Promise<boolean> {
  const verb = { remove: "Remove", deactivate: "Deactivate", restore: "Restore" }[command];
  const grants = counted(count, "grant");
  if (count < typedFrom) {
    const answer = await ask(`${verb} ${grants}? [y/N] `, io);
    return /^y(?:es)?$/i.test(answer ?? "");
  }
  const answer = await ask(`${verb} ${grants}? Type the number of grants to go ahead: `, io);
  return answer?.replaceAll(/[,.'\s]/g, "") === String(count);
}

/** @throws UsageError when there is no terminal to ask on, and `--yes` was not given. */
export function checkCanAsk(yes: boolean | undefined, stdinTaken: boolean, io: Io): void {
  if (!yes && (stdinTaken || !io.stdin.isTTY || !io.stderr.isTTY)) {
    throw new UsageError(
      `Nothing was done: ${stdinTaken ? "standard input is taken" : "there is no terminal"}, so there is no way to ask. Add --yes to go ahead.`,
    );
  }
}
