import { headOf, identify, introduce } from "../account.js";
import {
  type ConnectionFlags,
  connectionFlags,
  connectionNote,
  readConnection,
} from "../connect.js";
import { type Command, parseFlags } from "../flags.js";
import { exitCode, type Io, line, UsageError } from "../io.js";
import { LogLock } from "../log/lock.js";
import { connectionFlagsOf, differentOrganization, logPathOf } from "../log/open.js";
import { LogContent } from "../log/read.js";
import { RunLog } from "../log/write.js";
import { rateShown } from "../pace.js";
import { checkCanAsk, mayGoAhead, quoted, watchStdin } from "../terminal.js";
import { carryOut } from "./revoke/carry-out.js";
import { actionFlags, paceFlags, readSettings, type Settings } from "./revoke/flags.js";
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
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    const { rate } = await LogContent.readHead(path, "resume");
    const given = flags.rate ?? (rate === undefined ? undefined : String(rate));
    return await resumeRun(path, flags, readSettings({ ...flags, rate: given }), io);
  },
};

/** Continues the run of a log. */
async function resumeRun(
  path: string,
  flags: ConnectionFlags & { readonly yes?: boolean | undefined },
  settings: Settings,
  io: Io,
): Promise<number> {
  const lock = LogLock.take(path, "resume");
  let log: RunLog | undefined;
  try {
    const content = await LogContent.read(path, "resume");
    const { head } = content;
    if (content.restores.length > 0) {
      throw new UsageError(
        `Nothing was done: that run has been restored, at least in part. Start another run, or continue the restore: zitadel-user-grants restore ${quoted(path)}`,
      );
    }
    const connection = await readConnection(connectionFlagsOf(head, flags, io), io);
    checkCanAsk(flags.yes, connection.usesStdin, io);
    const stdin = connection.usesStdin ? undefined : watchStdin(io);
    const identified = await identify(connection, io, "change");
    stdin?.end();
    if (identified === undefined) {
      return exitCode.aborted;
    }
    const { identity } = identified;
    const difference = differentOrganization(head, connection, identity);
    if (difference !== undefined) {
      throw new UsageError(difference);
    }
    if (stdin?.text.trim()) {
      throw new UsageError(
        "Nothing was done: there are grants on standard input, and a resumed run takes its grants from the log. Start another run for these.",
      );
    }
    const plan = resumedPlan(content);
    const total = plan.grants.length;
    const left = plan.open.length;
    if (!settings.quiet) {
      introduce(
        connection,
        identity,
        {
          Log: path,
          Grants: `${left} to ${head.command}; ${total - left} of ${total} are decided`,
          ...rateShown(settings.rate(connection.baseUrl)),
        },
        io,
      );
    }
    if (left > 0 && !flags.yes && !(await mayGoAhead(head.command, left, io))) {
      line(io.stderr, "Nothing was done.");
      return exitCode.stopped;
    }
    log = RunLog.resume(path, lock, content.wholeBytes, headOf(head.command, connection, identity));
    return await carryOut({ ...identified, plan, log, settings }, io);
  } finally {
    if (log === undefined) {
      lock.release();
    }
  }
}
