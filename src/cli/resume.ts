import { checkCanAsk, mayGoAhead } from "./ask.js";
import { carryOut } from "./carry-out.js";
import { type ConnectionFlags, readConnection } from "./connection.js";
import { headOf, identify, introduce } from "./introduce.js";
import { exitCode, type Io, line, UsageError } from "./io.js";
import { LogContent } from "./log/content.js";
import type { LogHead } from "./log/entry.js";
import { LogLock } from "./log/lock.js";
import { RunLog } from "./log/run-log.js";
import { connectionFlagsOf, differentOrganization } from "./log/same-run.js";
import { resumedPlan } from "./plan.js";
import { rateShown } from "./rate.js";
import type { BulkCommand, Settings } from "./settings.js";
import { watchStdin } from "./stdin-watch.js";

/**
 * Continues the run of a log.
 *
 * @param command the command that the log must belong to, if one was named.
 */
export async function resumeRun(
  path: string,
  command: BulkCommand | undefined,
  flags: ConnectionFlags & { readonly yes?: boolean | undefined },
  settings: Settings,
  io: Io,
): Promise<number> {
  // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
  checkCommand(LogContent.readHead(path, "resume"), command);
  const lock = LogLock.take(path, "resume");
  let log: RunLog | undefined;
  try {
    const content = LogContent.read(path, "resume");
    const { head } = content;
    if (content.restore.begun) {
      throw new UsageError(
        `Nothing was done: that run has been restored, at least in part. Start another run, or continue the restore: zitadel-user-grants restore --log ${path}`,
      );
    }
    const connection = await readConnection(connectionFlagsOf(head, flags, io), io);
    checkCanAsk(flags.yes, connection.usesStdin, io);
    const stdin = connection.usesStdin ? undefined : watchStdin(io);
    const identity = await identify(connection, io);
    stdin?.end();
    if (identity === undefined) {
      return exitCode.aborted;
    }
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
    const before = plan.total - plan.openCount;
    if (!settings.quiet) {
      introduce(
        connection,
        identity,
        {
          Log: path,
          Grants: `${plan.openCount} to ${head.command}; ${before} of ${plan.total} are decided`,
          ...rateShown(settings.rate(connection.baseUrl)),
        },
        io,
      );
    }
    if (plan.openCount > 0 && !flags.yes && !(await mayGoAhead(head.command, plan.openCount, io))) {
      line(io.stderr, "Nothing was done.");
      return exitCode.stopped;
    }
    log = RunLog.resume(path, lock, content.wholeBytes, headOf(head.command, connection, identity));
    return await carryOut(head.command, connection, plan, log, settings, io);
  } finally {
    if (log === undefined) {
      lock.release();
    }
  }
}

function checkCommand(head: LogHead, command: BulkCommand | undefined): void {
  if (command !== undefined && head.command !== command) {
    throw new UsageError(`--resume: that run was for ${head.command}, this is ${command}.`);
  }
}
