import { bulkGroups } from "../bulk-flags.js";
import type { Command } from "../command.js";
import { exitCodes } from "../help.js";
import { runBulk } from "../run.js";

/** The command `deactivate`. */
export const deactivate: Command = {
  name: "deactivate",
  summary: "deactivate grants: they stay, and can be activated again",
  arguments: "[<user id>/<grant id> ...]",
  description:
    "Deactivates grants: those that flags such as --project and --role select, or those whose user and grant ids come from arguments, from --file, or from standard input. It shows what is about to happen, and asks for confirmation.",
  groups: bulkGroups("deactivate"),
  notes: exitCodes,
  run: (args, io) => runBulk("deactivate", args, io),
};
