import { Code, ConnectError } from "@connectrpc/connect";
import type { BulkRun, Outcome, Summary } from "../../../bulk/index.js";
import {
  classify,
  deactivateUserGrantsIn,
  platform,
  removeUserGrantsIn,
} from "../../../bulk/internal.js";
import { wholeNumber } from "../../flags.js";
import type { Expected } from "../../grants/effect.js";
import { exitCode, line } from "../../io.js";
import {
  type LoggedCommand,
  type LoggedOutcome,
  type Selectors,
  toLogged,
} from "../../log/entry.js";
import { expectationOf, type LogContent, stateAfter } from "../../log/read.js";
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
  readonly grants: readonly RunGrant[];
  /** Those that an earlier run may have sent come first. */
  readonly open: readonly RunGrant[];
  /** What the run is for, if it is not for given ids: afterwards, the same is searched for again. */
  readonly selectors: Selectors | undefined;
  /** The log of a run that is resumed. */
  readonly earlier?: LogContent;
  /** Done by it, without an outcome in the log. */
  readonly unwritten?: readonly RunGrant[];
}

/** Sends everything that is left to do, looks whether the access has ended, and returns the exit code. */
export async function carryOut(plan: Plan, flags: ActionFlags, context: Context): Promise<number> {
  const { log, stopSwitch, quiet, io } = context;
  const { earlier } = plan;
  const isFinished = earlier === undefined || (await finishRepairs(earlier, context));
  const sent = await sendAll(plan, flags, context);
  const code = conclude(plan, flags, sent, context);
  const ending = {
    ...{ command: plan.command, selectors: plan.selectors, path: log?.path, repairs: flags.repair },
    ...{ expected: sent.expected, isUnchecked: flags["no-check"] },
    confirmed: sent.count(doneStatus(plan.command)) + sent.count("already-inactive"),
  };
  const isOver = (await isInEffect(ending, context)) && isFinished;
  if (log !== undefined && (!quiet || !isOver)) {
    const command = (name: string) => `zitadel-user-grants ${name} ${quoted(log.path)}`;
    if (!isOver) {
      line(io.stderr, `Check again: ${command("verify")}`);
    }
    line(io.stderr, `Undo: ${command("restore")}`);
  }
  if (code === exitCode.done && !isOver) {
    return stopSwitch.interrupted ? exitCode.stopped : exitCode.incomplete;
  }
  return code;
}

/** What came of the requests. */
interface Sent {
  readonly summary: Summary;
  /** How many grants have a status, by this run and the ones that it continues. */
  readonly count: (status: string) => number;
  /** How many grants were to be decided. */
  readonly total: number;
  /** What must be shown of each decided grant, by this run or the ones that it continues. */
  readonly expected: ReadonlyMap<string, Expected>;
  /** Outcomes that the log could not take. */
  readonly unlogged: readonly LoggedOutcome[];
}

async function sendAll(plan: Plan, flags: ActionFlags, context: Context): Promise<Sent> {
  const { command, earlier, unwritten = [] } = plan;
  const { log, stopSwitch, io } = context;
  const total = plan.open.length + unwritten.length;
  const report = createReport(total, { json: flags.json, quiet: context.quiet }, io);
  const done = doneStatus(command);
  const expected = new Map<string, Expected>();
  for (const grant of earlier?.grants ?? []) {
    const { grantId, state } = expectationOf(grant, command);
    if (state !== undefined) {
      expected.set(grantId, state);
    }
  }
  const unlogged: LoggedOutcome[] = [];
  /** Of the last grants, when the server accepted nothing after them. */
  let lastFailure: ConnectError | undefined;
  const onOutcome = (outcome: Outcome<string>) => {
    const { grantId, status, error, answerLost } = outcome;
    if (status === "failed" && error?.code === Code.Canceled && !answerLost && stopSwitch.stopped) {
      // It was not attempted.
      return;
    }
    const state = stateAfter(outcome);
    if (state !== undefined) {
      expected.set(grantId, state);
    }
    lastFailure = error !== undefined && classify(error, "") === "throttled" ? error : undefined;
    const logged = toLogged(outcome);
    log?.note(logged);
    if (log?.failure !== undefined) {
      unlogged.push(logged);
      stopSwitch.stop();
    }
    const problem = status === "failed" ? "failed" : status === done ? undefined : "warn";
    report.add(outcome, logged, outcomeLine(logged), problem);
  };
  for (const { grantId } of unwritten) {
    onOutcome({ grantId, status: done });
  }
  try {
    const run = begin(plan, flags, onOutcome, context);
    stopSwitch.whenStopped.then(async () => await run.return?.()).catch(() => undefined);
    for await (const _ of run) {
      // Reported as it came.
    }
    // After an interrupt, requests are in flight.
    await run.return?.();
    if (lastFailure !== undefined) {
      context.fail(lastFailure);
    }
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    context.fail(error);
  }
  const summary = report.end();
  // A failure is not a decision: it was retried.
  const { failed: _, ...decided } = earlier?.counts() ?? {};
  const count = (status: string) => (summary.counts[status] ?? 0) + (decided[status] ?? 0);
  return { summary, count, total, expected, unlogged };
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
  const inDoubt = new Set([...(earlier?.inDoubt() ?? [])].map(({ grantId }) => grantId));
  // ZITADEL does not compare the user, but requires one.
  const pairs = open.map(({ grantId, userId }) => ({ grantId, userId: userId || grantId }));
  return command === "remove"
    ? removeUserGrantsIn(platform, logged, ids, options, inDoubt)
    : deactivateUserGrantsIn(platform, logged, pairs, options, inDoubt);
}

function doneStatus(command: LoggedCommand): string {
  return command === "remove" ? "removed" : "deactivated";
}

/**
 * Reports what the server has responded, and returns the exit code that this alone would give.
 *
 * @throws Ended when not everything was sent.
 */
function conclude(plan: Plan, flags: ActionFlags, sent: Sent, context: Context): number {
  const { quiet, io } = context;
  const { count, unlogged } = sent;
  const { answersLost, elapsedMs, done } = sent.summary;
  const changed = count(doneStatus(plan.command));
  const inactive = count("already-inactive");
  const notSent = sent.total - done;
  const say = (text: string) => line(io.stderr, text);
  const parts = [
    `${changed} ${doneStatus(plan.command)}`,
    ...(inactive > 0 ? [`${inactive} already inactive`] : []),
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notSent > 0 ? [`${notSent} not attempted`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  if (!quiet || changed + inactive < plan.grants.length) {
    say(`${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  }
  if (answersLost > 0) {
    say(`The responses for ${answersLost} of them were lost: this run may have changed them.`);
  }
  for (const outcome of unlogged) {
    say(`Not in the log: ${outcomeLine(outcome)}`);
  }
  context.checkEnded("run", notSent === 0);
  explainMissing(sent.expected, context);
  const missing = flags["allow-unknown"] ? 0 : count("not-found");
  return count("failed") + missing > 0 ? exitCode.incomplete : exitCode.done;
}
