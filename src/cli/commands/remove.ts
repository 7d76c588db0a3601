import { bulkGroups } from "../bulk-flags.js";
import type { Command } from "../command.js";
import { exitCodes } from "../help.js";
import { runBulk } from "../run.js";

/** The command `remove`. */
export const remove: Command = {
  name: "remove",
  summary: "remove grants: one, or as many as you like",
  arguments: "[<grant id> ...]",
  description:
    "Removes grants: those that flags such as --project and --role select, or those whose ids come from arguments, from --file, or from standard input. It shows what is about to happen, and asks for confirmation.",
  groups: bulkGroups("remove"),
  notes: exitCodes,
  run: (args, io) => runBulk("remove", args, io),
};
