import { actionFlags, paceFlags, readSettings } from "../bulk-flags.js";
import type { Command } from "../command.js";
import { connectionFlags, connectionNote } from "../connection.js";
import { parseFlags } from "../flags.js";
import { exitCodes } from "../help.js";
import { UsageError } from "../io.js";
import { resumeRun } from "../resume.js";

const { "dry-run": _, ...resumeFlags } = actionFlags;

/** The command `resume`. */
export const resume: Command = {
  name: "resume",
  summary: "continue a run from its log",
  arguments: "<log>",
  description:
    "Continues a run that was stopped, aborted or killed. The log knows instance, organization and grants, so only the credentials are needed. Decided grants are kept; failed ones are retried.",
  examples: ["zitadel-user-grants resume run.jsonl"],
  groups: [
    { title: "What happens", flags: resumeFlags },
    { title: "Pace", flags: paceFlags("remove") },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  notes: exitCodes,
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, {
      ...resumeFlags,
      ...paceFlags("remove"),
      ...connectionFlags,
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) {
      throw new UsageError("resume takes the path of one log.");
    }
    return await resumeRun(path, undefined, flags, readSettings("remove", flags), io);
  },
};
