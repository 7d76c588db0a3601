import { headOf, introduce } from "../account.js";
import { connectionFlags, connectionNote } from "../connect.js";
import { type Command, parseFlags } from "../flags.js";
import { exitCode, line, UsageError } from "../io.js";
import { LogLock } from "../log/lock.js";
import { connectAs, logPathOf } from "../log/open.js";
import { LogContent } from "../log/read.js";
import { RunLog } from "../log/write.js";
import { rateShown } from "../pace.js";
import { checkCanAsk, grouped, mayGoAhead, quoted } from "../terminal.js";
import { carryOut } from "./revoke/carry-out.js";
import { actionFlags, paceFlags, readSettings } from "./revoke/flags.js";
import { resumedPlan } from "./revoke/plan.js";

/** The command `resume`. */
export const resume: Command = {
  name: "resume",
  summary: "continue a run from its log",
  arguments: "<log>",
  description:
    "Continues a run that was stopped, aborted or killed. The log knows instance, organization and grants, so only the credentials are needed; it keeps the rate. Decided grants are kept; failed ones are retried.",
  examples: ["zitadel-user-grants resume run.jsonl"],
  groups: [
    { title: "What happens", flags: actionFlags },
    { title: "Pace", flags: paceFlags("remove") },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, {
      ...actionFlags,
      ...paceFlags("remove"),
      ...connectionFlags,
    });
    const path = logPathOf("resume", positionals);
    // Reject invalid values now.
    readSettings(flags);
    checkCanAsk(flags.yes, flags["token-file"] === "-", io);
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    await LogContent.check(path, "resume");
    const lock = LogLock.take(path, "resume");
    let log: RunLog | undefined;
    try {
      const content = await LogContent.read(path, "resume");
      const { command, rate } = content.head;
      if (content.restores.length > 0) {
        throw new UsageError(
          `Nothing was done: that run has been restored, at least in part. Start another run, or continue the restore: zitadel-user-grants restore ${quoted(path)}`,
        );
      }
      const given = flags.rate ?? (rate === undefined ? undefined : String(rate));
      const settings = readSettings({ ...flags, rate: given });
      const identified = await connectAs(content.head, flags, io);
      const { connection, identity } = identified;
      const plan = resumedPlan(content);
      const total = plan.grants.length;
      const left = plan.open.length;
      if (!settings.quiet) {
        const grants = `${grouped(left)} to ${command}; ${grouped(total - left)} of ${grouped(total)} are decided`;
        const limit = rateShown(settings.rate(connection.baseUrl));
        introduce(connection, identity, { Log: path, Grants: grants, ...limit }, io);
      }
      if (left > 0 && !flags.yes && !(await mayGoAhead(command, left, io))) {
        line(io.stderr, "Nothing was done.");
        return exitCode.stopped;
      }
      log = RunLog.resume(path, lock, content.wholeBytes, headOf(command, connection, identity));
      return await carryOut({ ...identified, plan, log, settings }, io);
    } finally {
      if (log === undefined) {
        lock.release();
      }
    }
  },
};
