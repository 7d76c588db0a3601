import { Code, ConnectError } from "@connectrpc/connect";
import { type BulkRun, createSummary, type Outcome, type Summary } from "../../../bulk/index.js";
import { deactivateUserGrantsIn, platform, removeUserGrantsIn } from "../../../bulk/internal.js";
import { close } from "../../../index.js";
import { headOf, type Identified, lookupOptions } from "../../account.js";
import { explain } from "../../explain.js";
import { createLookup } from "../../grants/lookup.js";
import { exitCode, type Io, line } from "../../io.js";
import { type LoggedOutcome, toLogged } from "../../log/entry.js";
import { LogLock } from "../../log/lock.js";
import { LogContent } from "../../log/read.js";
import { loggedClient, RunLog } from "../../log/write.js";
import {
  createProgress,
  createResults,
  createStopSwitch,
  duration,
  outcomeLine,
} from "../../progress.js";
import { counted, quoted } from "../../terminal.js";
import { type Look, lookAfterRun } from "./effect.js";
import { type Settings, suspiciousUnknown } from "./flags.js";
import type { Plan } from "./plan.js";
import { finishRepairs, repair } from "./repair.js";

export interface Run extends Identified {
  readonly plan: Plan;
  readonly log: RunLog | undefined;
  readonly settings: Settings;
}

/**
 * Sends everything that is left to do, looks whether the access has ended, reports, and returns the exit code.
 */
export async function carryOut(run: Run, io: Io): Promise<number> {
  const { plan, log, settings, connection, identity } = run;
  const rate = settings.rate(connection.baseUrl);
  const pairs = plan.logged?.grants.filter(({ mayBeActive }) => mayBeActive) ?? [];
  let isFinished = true;
  if (log !== undefined && plan.logged !== undefined) {
    const context = { connection, identity, content: plan.logged, log, rate, io };
    isFinished = await finishRepairs(pairs, context);
  }
  const stopSwitch = createStopSwitch(io);
  const { failed, ending, summary } = await sendAll(run, stopSwitch, io);
  const code = conclude(run, summary, ending, io);
  const isOver = code === exitCode.done || code === exitCode.incomplete;
  let look: Look | undefined;
  if (isOver && settings.check && !stopSwitch.stopped) {
    const lookup = createLookup(connection, lookupOptions(stopSwitch.signal, rate, io));
    const shared = { plan, identity, rate, log, stopSwitch, io, protocol: connection.protocol };
    look = await lookAfterRun(
      plan.grants.map(({ grantId }) => grantId).filter((id) => !failed.has(id)),
      doneIn(plan, summary),
      { ...shared, lookup, quiet: settings.quiet },
    );
  } else if (isOver && (settings.check || !settings.quiet)) {
    const why = settings.check ? ": it was stopped" : " (--no-check)";
    line(io.stderr, `Whether the access has ended was not looked at${why}.`);
  }
  const wasStopped = stopSwitch.interrupted;
  stopSwitch.end();
  await log?.close(reasonOf(ending)).catch(() => {
    // Kept in its `failure`.
  });
  let hasEnded = isFinished && look?.isOver === true;
  if (settings.repair && look !== undefined && look.active.length > 0 && log && !wasStopped) {
    const isRepaired = await repairRun(log.path, look, run, io);
    hasEnded = isFinished && isRepaired && look.isRestOver;
  }
  if (isOver && log !== undefined && (!settings.quiet || (settings.check && !hasEnded))) {
    nextCommands(log.path, hasEnded || !settings.check, plan, io);
  }
  if (code !== exitCode.done || hasEnded || !settings.check) {
    return code;
  }
  return wasStopped ? exitCode.stopped : exitCode.incomplete;
}

async function repairRun(
  path: string,
  { active, looked }: Look,
  { plan, settings, connection, identity }: Run,
  io: Io,
): Promise<boolean> {
  const lock = LogLock.take(path, "repair");
  let log: RunLog | undefined;
  try {
    const content = await LogContent.read(path, "repair");
    const head = headOf(plan.command, connection, identity);
    log = RunLog.resume(path, lock, content.wholeBytes, head);
    const rate = settings.rate(connection.baseUrl);
    return await repair(active, looked, { connection, identity, content, log, rate, io });
  } finally {
    if (log === undefined) {
      lock.release();
    }
    await log?.close("repaired");
  }
}

/** What to do next, as it can be typed. */
function nextCommands(path: string, inEffect: boolean, { command }: Plan, io: Io): void {
  const tool = (name: string) => `zitadel-user-grants ${name} ${quoted(path)}`;
  if (!inEffect) {
    line(io.stderr, `Check again: ${tool("verify")}`);
    if (command === "deactivate") {
      line(io.stderr, `Repair: ${tool("verify --repair")}`);
    }
  }
  line(io.stderr, `Undo: ${tool("restore")}`);
}

/** Why a run stopped early. */
interface Ending {
  readonly thrown: unknown;
  readonly interrupted: boolean;
  readonly leftAtOnce: boolean;
  /** The first grants were all unknown. */
  readonly lookedWrong: boolean;
  /** Of the last grants, when the server accepted nothing after them. */
  readonly lastFailure: ConnectError | undefined;
  /** Outcomes that the log could not take. */
  readonly unlogged: readonly LoggedOutcome[];
}

async function sendAll(
  { plan, log, settings, connection }: Run,
  stopSwitch: ReturnType<typeof createStopSwitch>,
  io: Io,
): Promise<{
  readonly failed: ReadonlySet<string>;
  readonly ending: Ending;
  readonly summary: Summary;
}> {
  const { command, open, inDoubt } = plan;
  const summary = createSummary({ total: open.length });
  const progress = createProgress(io.stderr, settings.quiet ? 0 : open.length);
  const results = createResults(io, settings.json);
  const users = new Map<string, string>();
  for (const { grantId, userId } of settings.json ? plan.grants : []) {
    users.set(grantId, userId);
  }
  const failed = new Set(open.map(({ grantId }) => grantId));
  const unlogged: LoggedOutcome[] = [];
  const write = (outcome: LoggedOutcome) => {
    log?.outcome(outcome);
    results.add(outcome, users.get(outcome.grantId) ?? "");
    if (log?.failure !== undefined) {
      unlogged.push(outcome);
      stopSwitch.stop();
    }
  };
  for (const grantId of plan.doneUnwritten) {
    write({ grantId, status: doneStatus(plan) });
  }
  let onlyUnknown = 0;
  let othersSeen = plan.someFound;
  let lastFailure: ConnectError | undefined;
  let lookedWrong = false;
  const onOutcome = (outcome: Outcome<string>) => {
    const { status, error, answerLost } = outcome;
    if (status === "failed" && error?.code === Code.Canceled && !answerLost && stopSwitch.stopped) {
      // It was not attempted.
      return;
    }
    if (outcome.status !== "not-found") {
      othersSeen = true;
    } else if (!outcome.answerLost) {
      onlyUnknown += 1;
    }
    if (outcome.status !== "failed") {
      failed.delete(outcome.grantId);
    }
    lastFailure = isTransient(outcome.error) ? outcome.error : undefined;
    write(toLogged(outcome));
    summary.add(outcome);
    progress.update(summary.current());
  };
  const plainClient = connection.createClient();
  const client = log === undefined ? plainClient : loggedClient(plainClient, log);
  const options = {
    maxPerSecond: settings.rate(connection.baseUrl).maxPerSecond,
    concurrency: settings.concurrency,
    ...{ signal: stopSwitch.signal, distinct: true, onOutcome },
  };
  let thrown: unknown;
  try {
    const run: BulkRun<Outcome<string>> =
      command === "remove"
        ? removeUserGrantsIn(
            platform,
            client,
            open.map(({ grantId }) => grantId),
            options,
            inDoubt,
          )
        : deactivateUserGrantsIn(
            platform,
            client,
            // ZITADEL does not compare the user, but requires one.
            open.map(({ grantId, userId }) => ({ grantId, userId: userId || grantId })),
            options,
            inDoubt,
          );
    stopSwitch.whenStopped.then(async () => await run.return?.()).catch(() => undefined);
    for await (const _ of run) {
      if (onlyUnknown >= suspiciousUnknown && !othersSeen && !settings.allowUnknown) {
        lookedWrong = true;
        break;
      }
    }
    // After an interrupt, requests are in flight.
    await run.return?.();
  } catch (error) {
    thrown = error;
  } finally {
    progress.end();
    results.end();
    close(plainClient);
  }
  const ending = {
    ...{ thrown, lookedWrong, lastFailure, unlogged },
    interrupted: stopSwitch.interrupted,
    leftAtOnce: stopSwitch.signal.aborted,
  };
  return { failed, ending, summary: summary.current() };
}

/** How many grants the server has confirmed. */
function doneIn(plan: Plan, summary: Summary): number {
  const inactive = countOf(plan, summary, "already-inactive");
  return countOf(plan, summary, doneStatus(plan)) + inactive + plan.doneUnwritten.length;
}

/** How many grants have a status, by this run and the ones that it continues. */
function countOf({ decided }: Plan, { counts }: Summary, status: string): number {
  return (counts[status] ?? 0) + (decided[status] ?? 0);
}

function doneStatus({ command }: Plan): string {
  return command === "remove" ? "removed" : "deactivated";
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

/** Reports what the server has answered, and returns the exit code that this alone would give. */
function conclude({ plan, log, settings }: Run, summary: Summary, ending: Ending, io: Io): number {
  const { answersLost, elapsedMs, done } = summary;
  const count = (status: string) => countOf(plan, summary, status);
  const completed = count(doneStatus(plan)) + plan.doneUnwritten.length;
  const inactive = count("already-inactive");
  const notAsked = plan.open.length - done;
  const parts = [
    `${completed} ${doneStatus(plan)}`,
    ...(inactive > 0 ? [`${inactive} already inactive`] : []),
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notAsked > 0 ? [`${notAsked} not attempted`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  if (!settings.quiet || completed + inactive < plan.grants.length) {
    line(io.stderr, `${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  }
  if (answersLost > 0) {
    line(
      io.stderr,
      `The responses for ${answersLost} of them were lost: this run may have changed them.`,
    );
  }
  const resume =
    log === undefined ? "" : ` Continue with: zitadel-user-grants resume ${quoted(log.path)}`;
  if (log?.failure !== undefined) {
    return concludeUnlogged(log.failure.message, ending.unlogged, resume, io);
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
  if (count("not-found") === plan.grants.length && !settings.allowUnknown) {
    line(
      io.stderr,
      "None of the grants was found. They may be gone already, or they belong to another organization than the one above: a grant of another organization looks just like one that is gone.",
    );
  }
  const missing = settings.allowUnknown ? 0 : count("not-found");
  return count("failed") + missing > 0 ? exitCode.incomplete : exitCode.done;
}

function concludeUnlogged(
  problem: string,
  unlogged: readonly LoggedOutcome[],
  resume: string,
  io: Io,
): number {
  line(io.stderr, `The run was stopped: ${problem}. Nothing was sent after that.${resume}`);
  if (unlogged.length > 0) {
    line(
      io.stderr,
      `${counted(unlogged.length, "outcome")} ${unlogged.length === 1 ? "is" : "are"} not in the log:`,
    );
    for (const outcome of unlogged) {
      line(io.stderr, `  ${outcomeLine(outcome)}`);
    }
  }
  return exitCode.stopped;
}
