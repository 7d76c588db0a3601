import { type Identified, identify } from "../account.js";
import { type ConnectionFlags, readConnection } from "../connect.js";
import type { FlagValues } from "../flags.js";
import { type Io, UsageError } from "../io.js";
import { type rateFlags, readRate } from "../pace.js";
import type { LogHead } from "./entry.js";
import { LogLock } from "./lock.js";
import { LogContent } from "./read.js";
import { RunLog } from "./write.js";

/** The only argument of a command that takes a log. @throws UsageError unless there is exactly one. */
export function logPathOf(command: string, [path, ...more]: readonly string[]): string {
  if (path === undefined || more.length > 0) {
    throw new UsageError(`${command} takes the path of one log: ${command} run.jsonl`);
  }
  return path;
}

type LogFlags = ConnectionFlags & FlagValues<typeof rateFlags>;

/** The log of a run, with the connection of that run and the current credentials. */
export interface OpenLog extends Identified {
  readonly content: LogContent;
  /** How many requests may be sent a second: as in the run, unless a flag says otherwise. */
  readonly rate: number | undefined;
  /** Begins to write to it, to continue the run or to restore it. */
  readonly append: (run: "resumed" | "restored") => RunLog;
}

/**
 * Opens a log for the time of `work`, and returns the exit code.
 *
 * @param changes whether it may be written: its lock is held then. It can be read while another process writes it.
 * @throws UsageError when it cannot be used, or is of another instance or organization.
 */
export async function withLog(
  command: string,
  args: readonly string[],
  { flags, changes, io }: { flags: LogFlags; changes: boolean; io: Io },
  work: (log: OpenLog) => Promise<number>,
): Promise<number> {
  const path = logPathOf(command, args);
  const lock = changes ? LogLock.take(path) : undefined;
  try {
    const content = await LogContent.read(path);
    const { head } = content;
    const given = await readConnection(connectionFlagsOf(head, flags, io), io);
    const rate = readRate(flags.rate ?? head.rate?.toString(), given.baseUrl);
    const { connection, identity } = await identify(given, io, changes ? "change" : "read");
    return await work({
      ...{ connection, identity, content, rate },
      append(run) {
        if (lock === undefined) {
          throw new Error("the log is open to be read");
        }
        const begin = { run, command: head.command, ...identity };
        return RunLog.reopen(path, lock, content.wholeBytes, begin);
      },
    });
  } finally {
    lock?.release();
  }
}

/**
 * The connection of a run, from its log: only the credentials must be given again.
 *
 * @throws UsageError when flags or environment name another instance or organization than the log.
 */
function connectionFlagsOf(head: LogHead, flags: ConnectionFlags, io: Io): ConnectionFlags {
  const same = (flag: "url" | "org", variable: string, logged: string) => {
    const given = flags[flag] ?? io.env[variable];
    if (given && given.replace(/\/+$/, "") !== logged) {
      const name = flags[flag] === undefined ? variable : `--${flag}`;
      throw new UsageError(
        `Nothing was done: that run was for ${logged}, and ${name} is ${given}.`,
      );
    }
  };
  same("url", "ZITADEL_URL", head.url);
  if (head.orgId !== "") {
    same("org", "ZITADEL_ORG_ID", head.orgId);
  } else if (!flags.org) {
    throw new UsageError("Nothing was done: the log names no organization. Give --org <id>.");
  }
  return {
    ...flags,
    url: head.url,
    org: head.orgId || flags.org,
    protocol: flags.protocol ?? (io.env.ZITADEL_PROTOCOL ? undefined : head.protocol),
    "instance-host": flags["instance-host"] ?? head.instanceHost,
  };
}
