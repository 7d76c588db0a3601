import { Code, ConnectError } from "@connectrpc/connect";
import { type BulkRun, createSummary, type Outcome, type Summary } from "../../../bulk/index.js";
import {
  classify,
  deactivateUserGrantsIn,
  platform,
  removeUserGrantsIn,
} from "../../../bulk/internal.js";
import { explain } from "../../explain.js";
import { wholeNumber } from "../../flags.js";
import { exitCode, line } from "../../io.js";
import { type LoggedCommand, type LoggedOutcome, toLogged } from "../../log/entry.js";
import { loggedClient } from "../../log/write.js";
import { createProgress, createResults, duration, outcomeLine } from "../../progress.js";
import { grouped, quoted } from "../../terminal.js";
import { adviseOnOthers, isNothingLeft, listOthers, logEffect, look } from "./effect.js";
import type { ActionFlags } from "./flags.js";
import type { Plan } from "./plan.js";
import { finishRepairs, repair } from "./repair.js";
import type { Session } from "./session.js";

/** This many unknown grants at the start suggest the wrong organization. */
const suspiciousUnknown = 100;
const wrongOrganization =
  "They may be gone already, or they belong to another organization than the one above: a grant of another organization looks just like one that is gone.";

/** Sends everything that is left to do, looks whether the access has ended, and returns the exit code. */
export async function carryOut(plan: Plan, flags: ActionFlags, session: Session): Promise<number> {
  const { log, stopSwitch, quiet, io } = session;
  let because = "an error of the tool";
  try {
    const { earlier } = plan;
    const isFinished = earlier === undefined || (await finishRepairs(earlier.content, session));
    const sent = await sendAll(plan, flags, session);
    because = reasonOf(sent, session);
    const code = conclude(plan, flags, sent, session);
    if (code !== exitCode.done && code !== exitCode.incomplete) {
      return code;
    }
    const isChecked = !flags["no-check"];
    if (!isChecked && !quiet) {
      line(io.stderr, "Whether the access has ended was not looked at (--no-check).");
    }
    const hasEnded = isChecked && (await check(plan, flags, sent, session)) && isFinished;
    if (log !== undefined && (!quiet || (isChecked && !hasEnded))) {
      const command = (name: string) => `zitadel-user-grants ${name} ${quoted(log.path)}`;
      if (isChecked && !hasEnded) {
        line(io.stderr, `Check again: ${command("verify")}`);
      }
      line(io.stderr, `Undo: ${command("restore")}`);
    }
    if (code === exitCode.done && isChecked && !hasEnded) {
      return stopSwitch.interrupted ? exitCode.stopped : exitCode.incomplete;
    }
    return code;
  } finally {
    await session.end(because);
  }
}

/** Looks whether the access has ended, and repairs it if that is wanted. Whether it has. */
async function check(
  { command, grants, selectors }: Plan,
  flags: ActionFlags,
  { open, confirmed }: Sent,
  session: Session,
): Promise<boolean> {
  const { log, stopSwitch, quiet, io } = session;
  if (stopSwitch.stopped) {
    line(io.stderr, "Whether the access has ended was not looked at: it was stopped.");
    return false;
  }
  const state = command === "remove" ? "gone" : "inactive";
  const settled = grants.filter(({ grantId }) => !open.has(grantId));
  const seen = await look(new Map(settled.map(({ grantId }) => [grantId, state])), session);
  if (seen === undefined) {
    return false;
  }
  const { looked, others } = seen;
  logEffect(seen, session);
  listOthers(seen, session);
  const isClear =
    selectors === undefined || (await isNothingLeft(selectors, command, others, session));
  if (!quiet || !isClear || others.size > 0) {
    const inEffect = `${grouped(looked - others.size)} of ${grouped(looked)}`;
    line(io.stderr, `${grouped(confirmed)} confirmed by the server; in effect: ${inEffect}.`);
  }
  if (others.size > 0 && flags.repair && log !== undefined) {
    return (await repair([...others.values()], looked, log.path, session)) && isClear;
  }
  adviseOnOthers(seen, command, log?.path, session);
  return isClear && others.size === 0;
}

/** What came of the requests. */
interface Sent {
  readonly summary: Summary;
  /** How many grants were to be decided. */
  readonly total: number;
  /** Grants without a decision. */
  readonly open: ReadonlySet<string>;
  /** How many grants the server has confirmed, for this run and those that it continues. */
  readonly confirmed: number;
  readonly thrown: unknown;
  /** The first grants were all unknown. */
  readonly lookedWrong: boolean;
  /** Of the last grants, when the server accepted nothing after them. */
  readonly lastFailure: ConnectError | undefined;
  /** Outcomes that the log could not take. */
  readonly unlogged: readonly LoggedOutcome[];
}

async function sendAll(plan: Plan, flags: ActionFlags, session: Session): Promise<Sent> {
  const { command, grants, earlier } = plan;
  const { log, stopSwitch, io } = session;
  const unwritten = earlier?.unwritten ?? [];
  const total = plan.open.length + unwritten.length;
  const summary = createSummary({ total });
  const progress = createProgress(io.stderr, session.quiet ? 0 : total);
  const results = createResults(io, flags.json ?? false);
  const users = new Map(flags.json ? grants.map(({ grantId, userId }) => [grantId, userId]) : []);
  const open = new Set(plan.open.map(({ grantId }) => grantId));
  const unlogged: LoggedOutcome[] = [];
  let onlyUnknown = 0;
  let othersSeen = Object.keys(earlier?.decided ?? {}).some((status) => status !== "not-found");
  let lastFailure: ConnectError | undefined;
  const onOutcome = (outcome: Outcome<string>) => {
    const { grantId, status, error, answerLost } = outcome;
    if (status === "failed" && error?.code === Code.Canceled && !answerLost && stopSwitch.stopped) {
      // It was not attempted.
      return;
    }
    if (status !== "not-found") {
      othersSeen = true;
    } else if (!answerLost) {
      onlyUnknown += 1;
    }
    if (status !== "failed") {
      open.delete(grantId);
    }
    lastFailure = error !== undefined && classify(error, "") === "throttled" ? error : undefined;
    const logged = toLogged(outcome);
    log?.outcome(logged);
    if (log?.failure !== undefined) {
      unlogged.push(logged);
      stopSwitch.stop();
    }
    results.add(logged, users.get(grantId) ?? "");
    summary.add(outcome);
    progress.update(summary.current());
  };
  for (const { grantId } of unwritten) {
    onOutcome({ grantId, status: doneStatus(command) });
  }
  let lookedWrong = false;
  let thrown: unknown;
  try {
    const run = begin(plan, flags, onOutcome, session);
    stopSwitch.whenStopped.then(async () => await run.return?.()).catch(() => undefined);
    for await (const _ of run) {
      if (onlyUnknown >= suspiciousUnknown && !othersSeen && !flags["allow-unknown"]) {
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
  }
  const count = counts(plan, summary.current());
  return {
    ...{ summary: summary.current(), total, open, thrown, lookedWrong, lastFailure, unlogged },
    confirmed: count(doneStatus(command)) + count("already-inactive"),
  };
}

function begin(
  { command, open, earlier }: Plan,
  { concurrency }: ActionFlags,
  onOutcome: (outcome: Outcome<string>) => void,
  { client, log, rate, stopSwitch }: Session,
): BulkRun<Outcome<string>> {
  const logged = log === undefined ? client : loggedClient(client, log);
  const options = {
    maxPerSecond: rate,
    concurrency: wholeNumber("concurrency", concurrency, 1000),
    ...{ signal: stopSwitch.signal, distinct: true, onOutcome },
  };
  const ids = open.map(({ grantId }) => grantId);
  // ZITADEL does not compare the user, but requires one.
  const pairs = open.map(({ grantId, userId }) => ({ grantId, userId: userId || grantId }));
  return command === "remove"
    ? removeUserGrantsIn(platform, logged, ids, options, earlier?.inDoubt)
    : deactivateUserGrantsIn(platform, logged, pairs, options, earlier?.inDoubt);
}

/** How many grants have a status, by this run and the ones that it continues. */
function counts({ earlier }: Plan, { counts: sent }: Summary): (status: string) => number {
  return (status) => (sent[status] ?? 0) + (earlier?.decided[status] ?? 0);
}

function doneStatus(command: LoggedCommand): string {
  return command === "remove" ? "removed" : "deactivated";
}

/** Why a run stopped, for its log. */
function reasonOf({ thrown, lookedWrong }: Sent, { stopSwitch }: Session): string {
  if (stopSwitch.interrupted) {
    return "interrupted";
  }
  if (lookedWrong) {
    return "the first grants were all unknown";
  }
  return thrown === undefined ? "finished" : ConnectError.from(thrown).message;
}

/** Reports what the server has answered, and returns the exit code that this alone would give. */
function conclude(plan: Plan, flags: ActionFlags, sent: Sent, session: Session): number {
  const { log, stopSwitch, quiet, io } = session;
  const { confirmed, thrown, unlogged } = sent;
  const { answersLost, elapsedMs, done } = sent.summary;
  const count = counts(plan, sent.summary);
  const inactive = count("already-inactive");
  const notSent = sent.total - done;
  const say = (text: string) => line(io.stderr, text);
  const parts = [
    `${confirmed - inactive} ${doneStatus(plan.command)}`,
    ...(inactive > 0 ? [`${inactive} already inactive`] : []),
    `${count("not-found")} not found`,
    `${count("failed")} failed`,
    ...(notSent > 0 ? [`${notSent} not attempted`] : []),
  ];
  const perSecond = Math.round((done / Math.max(elapsedMs, 1)) * 1000);
  if (!quiet || confirmed < plan.grants.length) {
    say(`${parts.join(", ")} in ${duration(elapsedMs)} (${perSecond}/s).`);
  }
  if (answersLost > 0) {
    say(`The responses for ${answersLost} of them were lost: this run may have changed them.`);
  }
  const resume =
    log === undefined ? "" : ` Continue with: zitadel-user-grants resume ${quoted(log.path)}`;
  if (log?.failure !== undefined) {
    say(`The run was stopped: ${log.failure.message}. Nothing was sent after that.${resume}`);
    for (const outcome of unlogged) {
      say(`Not in the log: ${outcomeLine(outcome)}`);
    }
    return exitCode.stopped;
  }
  if (thrown !== undefined && !(thrown instanceof ConnectError)) {
    throw thrown;
  }
  const leftAtOnce = stopSwitch.signal.aborted;
  if (thrown !== undefined && !leftAtOnce) {
    say(`The run was aborted: ${explain(thrown)}${resume}`);
    return exitCode.aborted;
  }
  if (sent.lookedWrong) {
    say(
      `The first ${suspiciousUnknown} grants are all unknown, so the run was stopped. ${wrongOrganization} If they are gone, add --allow-unknown.${resume}`,
    );
    return exitCode.stopped;
  }
  if (stopSwitch.interrupted && (notSent > 0 || leftAtOnce)) {
    say(`Stopped.${resume}`);
    return exitCode.stopped;
  }
  if (sent.lastFailure !== undefined) {
    say(`The last grants failed: ${explain(sent.lastFailure)}${resume}`);
    return exitCode.aborted;
  }
  if (count("not-found") === plan.grants.length && !flags["allow-unknown"]) {
    say(`None of the grants was found. ${wrongOrganization}`);
  }
  const missing = flags["allow-unknown"] ? 0 : count("not-found");
  return count("failed") + missing > 0 ? exitCode.incomplete : exitCode.done;
}
