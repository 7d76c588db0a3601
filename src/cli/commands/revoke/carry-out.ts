import { Code, ConnectError } from "@connectrpc/connect";
import { createSummary, type Outcome, type Summary, type UserGrant } from "../../../bulk/index.js";
import { deactivateUserGrantsIn, platform, removeUserGrantsIn } from "../../../bulk/internal.js";
import { close } from "../../../client/close.js";
import type { Connection } from "../../connect.js";
import { explain } from "../../explain.js";
import { exitCode, type Io, line } from "../../io.js";
import { type LoggedCommand, type LoggedOutcome, toLogged } from "../../log/entry.js";
import { type LogFailure, loggedClient, type RunLog } from "../../log/write.js";
import {
  createProgress,
  createResults,
  createStopSwitch,
  duration,
  outcomeLine,
  quoted,
} from "../../terminal.js";
import { type Settings, suspiciousUnknown } from "./flags.js";
import type { Plan } from "./plan.js";

/** Sends everything that is left to do, shows progress, reports, and returns the exit code. */
export async function carryOut(
  command: LoggedCommand,
  connection: Connection,
  plan: Plan,
  log: RunLog | undefined,
  settings: Settings,
  io: Io,
): Promise<number> {
  const doneStatus = command === "remove" ? "removed" : "deactivated";
  const summary = createSummary({ total: plan.openCount });
  const progress = createProgress(io.stderr, settings.quiet ? 0 : plan.openCount);
  const results = createResults(io, settings.json);
  const unlogged: LoggedOutcome[] = [];
  const stopSwitch = createStopSwitch(io);
  const write = (outcome: LoggedOutcome) => {
    log?.outcome(outcome);
    results.add(outcome, plan.userId(outcome.grantId));
    if (log?.failure !== undefined) {
      unlogged.push(outcome);
      stopSwitch.stop();
    }
  };
  for (const grantId of plan.doneUnwritten) {
    write({ grantId, status: doneStatus });
  }

  let onlyUnknown = 0;
  let othersSeen = plan.someFound;
  let lastFailure: ConnectError | undefined;
  let lookedWrong = false;
  const onOutcome = (outcome: Outcome<string>) => {
    if (outcome.status !== "not-found") {
      othersSeen = true;
    } else if (!outcome.answerLost) {
      onlyUnknown += 1;
    }
    lastFailure = isTransient(outcome.error) ? outcome.error : undefined;
    write(toLogged(outcome));
    summary.add(outcome);
    progress.update(summary.current());
  };
  function* untilStopped<T>(values: Iterable<T>) {
    for (const value of values) {
      if (stopSwitch.stopped) {
        return;
      }
      yield value;
    }
  }

  const plainClient = connection.createClient();
  const client = log === undefined ? plainClient : loggedClient(plainClient, log);
  const start = (): AsyncIterable<Outcome<string>> => {
    const options = {
      maxPerSecond: settings.rate(connection.baseUrl).maxPerSecond,
      concurrency: settings.concurrency,
      ...{ signal: stopSwitch.signal, distinct: true, onOutcome },
    };
    const grants = untilStopped(plan.open());
    const size = plan.openCount;
    return command === "remove"
      ? removeUserGrantsIn(
          platform,
          client,
          Object.assign(idsOf(grants), { size }),
          options,
          plan.inDoubt,
        )
      : deactivateUserGrantsIn(
          platform,
          client,
          Object.assign(grants, { size }),
          options,
          plan.inDoubt,
        );
  };
  let thrown: unknown;
  try {
    for await (const _ of start()) {
      if (onlyUnknown >= suspiciousUnknown && !othersSeen && !settings.allowUnknown) {
        lookedWrong = true;
        break;
      }
    }
  } catch (error) {
    thrown = error;
  } finally {
    progress.end();
    results.end();
    close(plainClient);
  }
  const ending: Ending = {
    ...{ thrown, lookedWrong, lastFailure, unlogged },
    interrupted: stopSwitch.interrupted,
    leftAtOnce: stopSwitch.signal.aborted,
    logFailure: undefined,
  };
  try {
    await log?.close(reasonOf(ending));
  } catch {
    // Kept in its `failure`.
  }
  stopSwitch.end();
  return conclude(
    plan,
    doneStatus,
    summary.current(),
    { ...ending, logFailure: log?.failure },
    settings,
    log?.path,
    io,
  );
}

function* idsOf(grants: Iterable<UserGrant>) {
  for (const { grantId } of grants) {
    yield grantId;
  }
}

/** Why a run stopped, for its log. */
function reasonOf({ thrown, interrupted, lookedWrong }: Ending): string {
  if (interrupted) {
    return "interrupted";
  }
  if (lookedWrong) {
    return "the first grants were all unknown";
  }
  return thrown === undefined ? "finished" : ConnectError.from(thrown).message;
}

function isTransient(error: ConnectError | undefined): boolean {
  const codes: readonly unknown[] = [
    Code.Unavailable,
    Code.DeadlineExceeded,
    Code.ResourceExhausted,
  ];
  return codes.includes(error?.code);
}

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
