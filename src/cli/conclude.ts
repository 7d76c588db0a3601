import { ConnectError } from "@connectrpc/connect";
import type { Summary } from "../bulk/index.js";
import { explain } from "./explain.js";
import { exitCode, type Io, line } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";
import type { LogFailure } from "./log/log-file.js";
import type { Plan } from "./plan.js";
import { duration } from "./progress.js";
import { outcomeLine } from "./results.js";
import { suspiciousUnknown } from "./settings.js";

/** Why a run stopped early. */
export interface Ending {
  readonly thrown: unknown;
  readonly interrupted: boolean;
  readonly leftAtOnce: boolean;
  /** The first grants were all unknown. */
  readonly lookedWrong: boolean;
  /** Of the last grants, when the server accepted nothing after them. */
  readonly lastFailure: ConnectError | undefined;
  readonly logFailure: LogFailure | undefined;
  /** The error that prevented the log from recording what has happened. */
  readonly unlogged: readonly LoggedOutcome[];
}

/** Reports the result of the run, and returns its exit code. */
export function conclude(
  plan: Plan,
  doneStatus: string,
  { counts, answersLost, elapsedMs, done }: Summary,
  ending: Ending,
  { allowUnknown, quiet }: { readonly allowUnknown: boolean; readonly quiet: boolean },
  logPath: string | undefined,
  io: Io,
): number {
  const count = (status: string) => (counts[status] ?? 0) + (plan.decided[status] ?? 0);
  const completed = count(doneStatus) + plan.doneUnwritten.length;
  const inactive = count("already-inactive");
  const notAsked = plan.openCount - done;
  const parts = [
    `${completed} ${doneStatus}`,
    ...(inactive > 0 ? [`${inactive} already inactive`] : []),
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notAsked > 0 ? [`${notAsked} not attempted`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  if (!quiet || completed + inactive < plan.total) {
    line(io.stderr, `${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  }
  if (answersLost > 0) {
    line(
      io.stderr,
      `The responses for ${answersLost} of them were lost: this run may have changed them.`,
    );
  }
  const resume =
    logPath === undefined ? "" : ` Continue with: zitadel-user-grants resume ${quoted(logPath)}`;
  if (ending.logFailure !== undefined) {
    return concludeUnlogged(ending.logFailure, ending.unlogged, resume, io);
  }
  if (ending.thrown instanceof ConnectError && !ending.leftAtOnce) {
    line(io.stderr, `The run was aborted: ${explain(ending.thrown)}${resume}`);
    return exitCode.aborted;
  }
  if (ending.thrown !== undefined && !(ending.thrown instanceof ConnectError)) {
    throw ending.thrown;
  }
  if (ending.lookedWrong) {
    line(
      io.stderr,
      `The first ${suspiciousUnknown} grants are all unknown, so the run was stopped. They may be gone already, or they belong to another organization than the one above: a grant of another organization looks just like one that is gone. If they are gone, add --allow-unknown.${resume}`,
    );
    return exitCode.stopped;
  }
  if (ending.interrupted && (notAsked > 0 || ending.leftAtOnce)) {
    line(io.stderr, `Stopped.${resume}`);
    return exitCode.stopped;
  }
  if (ending.lastFailure !== undefined) {
    line(io.stderr, `The last grants failed: ${explain(ending.lastFailure)}${resume}`);
    return exitCode.aborted;
  }
  if (count("not-found") === plan.total && !allowUnknown) {
    line(
      io.stderr,
      "None of the grants was found. They may be gone already, or they belong to another organization than the one above: a grant of another organization looks just like one that is gone.",
    );
  }
  const missing = allowUnknown ? 0 : count("not-found");
  return count("failed") + missing > 0 ? exitCode.incomplete : exitCode.done;
}

function concludeUnlogged(
  failure: LogFailure,
  unlogged: readonly LoggedOutcome[],
  resume: string,
  io: Io,
): number {
  line(io.stderr, `The run was stopped: ${failure.message}. Nothing was sent after that.${resume}`);
  if (unlogged.length > 0) {
    line(io.stderr, "These outcomes are not in the log:");
    for (const outcome of unlogged) {
      line(io.stderr, `  ${outcomeLine(outcome)}`);
    }
  }
  return exitCode.stopped;
}

/** Quoted for a shell, if needed. */
function quoted(path: string): string {
  return /^[\w./:@%+,=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
