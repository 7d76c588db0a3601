import { Code, ConnectError } from "@connectrpc/connect";
import { deactivateUserGrantsIn } from "../bulk/deactivate.js";
import { realEnvironment } from "../bulk/environment.js";
import { createSummary, type Outcome, type Summary } from "../bulk/index.js";
import { removeUserGrantsIn } from "../bulk/remove.js";
import { close } from "../client/close.js";
import type { Connection } from "./connection.js";
import { explain } from "./explain.js";
import { exitCode, type Io, line } from "./io.js";
import { type LoggedOutcome, type LogHead, type RunLog, toLogged } from "./log.js";
import { loggedClient } from "./logged-client.js";
import type { Plan } from "./plan.js";
import { createProgress, duration } from "./progress.js";
import { createResults } from "./results.js";

/** So many grants at the start, all unknown, look like the wrong organization. */
export const suspiciousUnknown = 100;

export interface Settings {
  readonly batchSize: number | undefined;
  readonly concurrency: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly giveUpMs: number | undefined;
  readonly json: boolean;
  readonly allowUnknown: boolean;
  /** Where the log is, if there is one. */
  readonly logPath: string | undefined;
}

/** Why a run ended before its end. */
interface Ending {
  readonly thrown: unknown;
  readonly interrupted: boolean;
  readonly leftAtOnce: boolean;
  readonly allUnknown: boolean;
  /** Of the last grants, when nothing was taken after them. */
  readonly wantOfConnection: ConnectError | undefined;
}

/** Asks for all that is left to do, shows how far it is, reports, and returns the exit code. */
export async function carryOut(
  command: LogHead["command"],
  connection: Connection,
  plan: Plan,
  log: RunLog | undefined,
  settings: Settings,
  io: Io,
): Promise<number> {
  const doneStatus = command === "remove" ? "removed" : "deactivated";
  const summary = createSummary({ total: plan.open.length });
  const progress = createProgress(io.stderr, plan.open.length, realEnvironment.now);
  const results = createResults(io, settings.json);
  for (const grantId of plan.doneUnwritten) {
    const outcome = { grantId, status: doneStatus };
    log?.outcome(outcome);
    results.add(outcome);
  }

  let interrupted = false;
  const hardStop = new AbortController();
  const stopListening = io.onInterrupt(() => {
    if (interrupted) {
      hardStop.abort(new Error("interrupted"));
    } else {
      interrupted = true;
      line(io.stderr);
      line(io.stderr, "Finishing what is in flight. Press Ctrl-C again to leave at once.");
    }
  });
  let onlyUnknown = 0;
  let othersSeen = false;
  let wantOfConnection: ConnectError | undefined;
  const onOutcome = (outcome: Outcome<string>) => {
    const logged = toLogged(outcome);
    log?.outcome(logged);
    results.add(logged);
    summary.add(outcome);
    progress.update(summary.current());
    if (outcome.status === "not-found") {
      onlyUnknown += 1;
    } else {
      othersSeen = true;
    }
    wantOfConnection = isWantOfConnection(outcome.error) ? outcome.error : undefined;
  };
  function* open() {
    for (const grant of plan.open) {
      if (interrupted) {
        return;
      }
      yield grant;
    }
  }
  function* openIds() {
    for (const { grantId } of open()) {
      yield grantId;
    }
  }

  const plainClient = connection.createClient();
  const client = log === undefined ? plainClient : loggedClient(plainClient, log);
  const { batchSize, concurrency, timeoutMs, giveUpMs } = settings;
  const options = {
    ...{ concurrency, timeoutMs, giveUpMs, onOutcome },
    signal: hardStop.signal,
    distinct: true,
  };
  const run: AsyncIterable<Outcome<string>> =
    command === "remove"
      ? removeUserGrantsIn(realEnvironment, client, openIds(), { ...options, batchSize }, plan.lost)
      : deactivateUserGrantsIn(realEnvironment, client, open(), options, plan.lost);
  let thrown: unknown;
  let allUnknown = false;
  try {
    for await (const _ of run) {
      if (onlyUnknown >= suspiciousUnknown && !othersSeen && !settings.allowUnknown) {
        allUnknown = true;
        break;
      }
    }
  } catch (error) {
    thrown = error;
  } finally {
    stopListening();
    progress.end();
    results.end();
    close(plainClient);
  }
  try {
    await log?.close();
  } catch (error) {
    thrown ??= error;
  }
  const ending = {
    ...{ thrown, interrupted, allUnknown, wantOfConnection },
    leftAtOnce: hardStop.signal.aborted,
  };
  return conclude(plan, doneStatus, summary.current(), ending, settings, io);
}

function conclude(
  plan: Plan,
  doneStatus: string,
  { counts, answersLost, elapsedMs, done }: Summary,
  ending: Ending,
  settings: Settings,
  io: Io,
): number {
  const earlier = countByStatus(plan.decided);
  const count = (status: string) => (counts[status] ?? 0) + (earlier[status] ?? 0);
  const completed = count(doneStatus) + count("already-inactive") + plan.doneUnwritten.length;
  const notAsked = plan.open.length - done;
  const parts = [
    `${completed} ${doneStatus}`,
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notAsked > 0 ? [`${notAsked} not asked for`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  line(io.stderr, `${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  if (answersLost > 0) {
    line(
      io.stderr,
      `The answers for ${answersLost} of them were lost: this run may have changed them all the same.`,
    );
  }
  const goOn = settings.logPath === undefined ? "" : ` Go on with --resume ${settings.logPath}`;
  if (ending.thrown instanceof ConnectError && !ending.leftAtOnce) {
    line(io.stderr, `The run ended: ${explain(ending.thrown)}${goOn}`);
    return exitCode.refused;
  }
  if (ending.thrown instanceof Error && "syscall" in ending.thrown) {
    line(
      io.stderr,
      `The run was stopped, since its log cannot be written: ${ending.thrown.message}`,
    );
    return exitCode.stopped;
  }
  if (ending.thrown !== undefined && !(ending.thrown instanceof ConnectError)) {
    throw ending.thrown;
  }
  if (ending.allUnknown) {
    line(
      io.stderr,
      `The first ${suspiciousUnknown} grants are all unknown, so the run was stopped. They may be gone already, or the organization above is not theirs: a grant of another organization looks just like one that is gone. If they are gone, add --allow-unknown.${goOn}`,
    );
    return exitCode.stopped;
  }
  if (ending.interrupted) {
    line(io.stderr, `Stopped.${goOn}`);
    return exitCode.stopped;
  }
  if (ending.wantOfConnection !== undefined) {
    line(io.stderr, `The last grants failed: ${explain(ending.wantOfConnection)}${goOn}`);
    return exitCode.refused;
  }
  const missing = settings.allowUnknown ? 0 : count("not-found");
  return count("failed") + missing > 0 ? exitCode.incomplete : exitCode.done;
}

function isWantOfConnection(error: ConnectError | undefined): boolean {
  const codes: readonly unknown[] = [
    Code.Unavailable,
    Code.DeadlineExceeded,
    Code.ResourceExhausted,
  ];
  return codes.includes(error?.code);
}

function countByStatus(outcomes: readonly LoggedOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of outcomes) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}
