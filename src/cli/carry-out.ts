import { Code, ConnectError } from "@connectrpc/connect";
import { deactivateUserGrantsIn } from "../bulk/deactivate.js";
import { createSummary, type Outcome, type UserGrant } from "../bulk/index.js";
import { removeUserGrantsIn } from "../bulk/remove.js";
import { close } from "../client/close.js";
import { platform } from "../common/environment.js";
import { conclude, type Ending } from "./conclude.js";
import type { Connection } from "./connection.js";
import type { Io } from "./io.js";
import { type LoggedOutcome, toLogged } from "./log/entry.js";
import { loggedClient } from "./log/logged-client.js";
import type { RunLog } from "./log/run-log.js";
import { type Phase, phasesOf } from "./phases.js";
import type { Plan } from "./plan.js";
import { createProgress } from "./progress.js";
import { createResults } from "./results.js";
import { type BulkCommand, type Settings, suspiciousUnknown } from "./settings.js";
import { createStopSwitch } from "./stop-switch.js";

/** Sends everything that is left to do, shows progress, reports, and returns the exit code. */
export async function carryOut(
  command: BulkCommand,
  connection: Connection,
  plan: Plan,
  log: RunLog | undefined,
  settings: Settings,
  io: Io,
): Promise<number> {
  const doneStatus = command === "remove" ? "removed" : "deactivated";
  const summary = createSummary({ total: plan.openCount });
  const progress = createProgress(
    io.stderr,
    settings.quiet ? 0 : plan.openCount,
    platform.monotonicMs,
  );
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
  /** Grants in a request of this run whose response was lost. */
  const lostNow = new Set<string>();
  /** Outcomes whose doubt a later response may still resolve. */
  let held: Outcome<string>[] = [];
  const conclusive = (outcome: Outcome<string>) => {
    write(toLogged(outcome));
    summary.add(outcome);
    progress.update(summary.current());
  };
  const onOutcome = (outcome: Outcome<string>, phase: Phase) => {
    if (outcome.status !== "not-found") {
      othersSeen = true;
    } else if (!outcome.answerLost) {
      onlyUnknown += 1;
    }
    lastFailure = isTransient(outcome.error) ? outcome.error : undefined;
    if (phase.inDoubt && outcome.answerLost && outcome.status === "not-found") {
      held.push(outcome);
    } else {
      conclusive(outcome);
    }
  };
  const release = () => {
    for (const { answerLost: _, ...outcome } of held) {
      const doubtful = plan.lost.mayHaveChanged(outcome.grantId) || lostNow.has(outcome.grantId);
      conclusive(doubtful ? { ...outcome, answerLost: true } : outcome);
    }
    held = [];
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
  const client =
    log === undefined
      ? plainClient
      : loggedClient(plainClient, log, (ids) => {
          for (const id of plan.inDoubt.length > 0 ? ids : []) {
            lostNow.add(id);
          }
        });
  const start = (phase: Phase): AsyncIterable<Outcome<string>> => {
    const { timeoutMs, giveUpMs } = settings;
    const options = {
      maxPerSecond: settings.rate(connection.baseUrl).maxPerSecond,
      ...{ timeoutMs, giveUpMs, signal: stopSwitch.signal, distinct: true },
      concurrency: phase.concurrency,
      onOutcome: (outcome: Outcome<string>) => onOutcome(outcome, phase),
    };
    const grants = Object.assign(untilStopped(phase.grants()), { size: phase.size });
    return command === "remove"
      ? removeUserGrantsIn(
          platform,
          client,
          Object.assign(idsOf(grants), { size: phase.size }),
          { ...options, batchSize: phase.batchSize },
          plan.lost,
        )
      : deactivateUserGrantsIn(platform, client, grants, options, plan.lost);
  };
  let thrown: unknown;
  try {
    for (const phase of phasesOf(command, plan, settings)) {
      if (!phase.inDoubt) {
        release();
      }
      for await (const _ of start(phase)) {
        if (onlyUnknown >= suspiciousUnknown && !othersSeen && !settings.allowUnknown) {
          lookedWrong = true;
          break;
        }
      }
      if (lookedWrong || stopSwitch.stopped) {
        break;
      }
    }
  } catch (error) {
    thrown = error;
  } finally {
    release();
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
