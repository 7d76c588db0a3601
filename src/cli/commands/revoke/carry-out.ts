import { Code, ConnectError } from "@connectrpc/connect";
import type { BulkRun, Outcome, Summary } from "../../../bulk/index.js";
import { deactivateUserGrantsIn, platform, removeUserGrantsIn } from "../../../bulk/internal.js";
import { wholeNumber } from "../../flags.js";
import type { Expected } from "../../grants/effect.js";
import { exitCode, line } from "../../io.js";
import {
  doneStatus,
  type LoggedCommand,
  type LoggedOutcome,
  type Selectors,
  toLogged,
} from "../../log/entry.js";
import { type LogContent, stateAfter } from "../../log/read.js";
import { loggedClient } from "../../log/write.js";
import { createReport, duration, outcomeLine } from "../../progress.js";
import { quoted } from "../../terminal.js";
import type { Context } from "./context.js";
import { explainMissing, isInEffect } from "./effect.js";
import type { ActionFlags } from "./flags.js";
import type { RunGrant } from "./gather.js";
import { finishRepairs } from "./repair.js";

/** All grants of a run, and the ones that are left to request. */
export interface Plan {
  readonly command: LoggedCommand;
  /** How many there are, and how many of them were not read before, so that nothing can restore them. */
  readonly total: number;
  readonly unread?: number;
  /** Those that an earlier run may have sent come first. */
  readonly open: readonly RunGrant[];
  /** What the run is for, if it is not for given ids: afterwards, the same is searched for again. */
  readonly selectors: Selectors | undefined;
  /** The log of a run that is resumed. */
  readonly earlier?: LogContent;
}

/** Sends everything that is left to do, looks whether the access has ended, and returns the exit code. */
export async function carryOut(plan: Plan, flags: ActionFlags, context: Context): Promise<number> {
  const { log, stopSwitch, say } = context;
  const { command, earlier, selectors } = plan;
  const isFinished = earlier === undefined || (await finishRepairs(earlier, context));
  const { summary, expected } = await sendAll(plan, flags, context);
  // A failure is not a decision: it was retried.
  const { failed: _, ...decided } = earlier?.counts() ?? {};
  const count = (status: string) => (summary.counts[status] ?? 0) + (decided[status] ?? 0);
  const confirmed = count(doneStatus[command]) + count("already-inactive");
  conclude(plan, summary, count, context);
  explainMissing(expected, context);
  const ending = {
    ...{ command, selectors, path: log?.path, repairs: flags.repair },
    ...{ expected, confirmed, isUnchecked: flags["no-check"] },
  };
  const isOver = (await isInEffect(ending, context)) && isFinished;
  if (log !== undefined) {
    const shown = (name: string) => `zitadel-user-grants ${name} ${quoted(log.path)}`;
    if (!isOver) {
      line(context.io.stderr, `Check again: ${shown("verify")}`);
    }
    if (plan.unread !== plan.total) {
      say(`Undo: ${shown("restore")}`);
    }
  }
  const missing = flags["allow-unknown"] ? 0 : count("not-found");
  if (count("failed") + missing > 0) {
    return exitCode.incomplete;
  }
  return isOver ? exitCode.done : stopSwitch.interrupted ? exitCode.stopped : exitCode.incomplete;
}

/** Sends the requests. Returns their outcomes, and how each grant of the run must be shown by now. */
async function sendAll(plan: Plan, flags: ActionFlags, context: Context) {
  const { command, earlier } = plan;
  const { log, stopSwitch, io } = context;
  const report = createReport(plan.open.length, flags, io);
  const done = doneStatus[command];
  const expected: Map<string, Expected> = earlier?.expectations() ?? new Map();
  const unlogged: LoggedOutcome[] = [];
  const onOutcome = (outcome: Outcome<string>) => {
    const { grantId, status, error, answerLost } = outcome;
    if (error?.code === Code.Canceled && !answerLost && stopSwitch.stopSignal.aborted) {
      // It was not attempted.
      return;
    }
    expected.set(grantId, stateAfter(outcome));
    const logged = toLogged(outcome);
    log?.note(logged);
    if (log?.failure !== undefined) {
      unlogged.push(logged);
      stopSwitch.stop();
    }
    const problem = status === "failed" ? "failed" : status === done ? undefined : "warn";
    report.add(outcome, logged, outcomeLine(logged), problem);
  };
  try {
    const run = begin(plan, flags, onOutcome, context);
    stopSwitch.whenStopped.then(async () => await run.return?.()).catch(() => undefined);
    for await (const _ of run) {
      // Reported as it came.
    }
    // After an interrupt, requests are in flight.
    await run.return?.();
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    context.fail(error);
  }
  const summary = report.end();
  for (const outcome of unlogged) {
    line(io.stderr, `Not in the log: ${outcomeLine(outcome)}`);
  }
  return { summary, expected };
}

function begin(
  { command, open, earlier }: Plan,
  { concurrency }: ActionFlags,
  onOutcome: (outcome: Outcome<string>) => void,
  { client, log, rate, stopSwitch }: Context,
): BulkRun<Outcome<string>> {
  const logged = log === undefined ? client : loggedClient(client, log);
  const options = {
    maxPerSecond: rate,
    concurrency: wholeNumber("concurrency", concurrency, 1000),
    ...{ signal: stopSwitch.signal, distinct: true, onOutcome },
  };
  const ids = open.map(({ grantId }) => grantId);
  const inDoubt = earlier?.inDoubt();
  // ZITADEL does not compare the user, but requires one.
  const pairs = open.map(({ grantId, userId }) => ({ grantId, userId: userId || grantId }));
  return command === "remove"
    ? removeUserGrantsIn(platform, logged, ids, options, inDoubt)
    : deactivateUserGrantsIn(platform, logged, pairs, options, inDoubt);
}

/** Reports what the server has responded. @throws Ended when not everything was sent. */
function conclude(
  { command, total, open }: Plan,
  { answersLost, elapsedMs, done }: Summary,
  count: (status: string) => number,
  context: Context,
): void {
  const { quiet, io } = context;
  const changed = count(doneStatus[command]);
  const inactive = count("already-inactive");
  const notSent = open.length - done;
  const parts = [
    `${changed} ${doneStatus[command]}`,
    ...(inactive > 0 ? [`${inactive} already inactive`] : []),
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notSent > 0 ? [`${notSent} not attempted`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  if (!quiet || changed + inactive < total) {
    line(io.stderr, `${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  }
  if (answersLost > 0) {
    const text = `The responses for ${answersLost} of them were lost: this run may have changed them.`;
    line(io.stderr, text);
  }
  context.checkEnded("run", notSent === 0);
}
