import { Code, ConnectError } from "@connectrpc/connect";
import { type Environment, sleep } from "../../../bulk/internal.js";
import { describeError, isGrantInactive } from "../../../index.js";
import type { Lookup } from "../../grants/lookup.js";
import type { GrantRecord } from "../../grants/record.js";
import { describedError, type RestoreOutcome, type SentStep } from "../../log/entry.js";
import { LogFailure } from "../../log/file.js";
import type { RestoreTask } from "./plan.js";
import { type RestoreContext, type StepResult, sendStep } from "./step.js";

/** How long a deactivation may take. */
const timeoutMs = 30_000;
/** The largest expected skew between the clocks of this machine and the server. */
const clockToleranceMs = 300_000;

/** The outcome of a grant, and why the restore stops, if it does. */
export interface Restored {
  /** Undefined if nothing is known, and everything is left to do. */
  readonly outcome?: RestoreOutcome;
  readonly ends?: Error;
}

type Failure = Extract<StepResult<unknown>, { readonly error: ConnectError }>;

/**
 * Restores one grant, logging each step before it is sent.
 *
 * @throws LogFailure when a step cannot be logged.
 */
export async function restoreGrant(task: RestoreTask, context: RestoreContext): Promise<Restored> {
  return task.action === "add" ? await addAnew(task, context) : await reactivate(task, context);
}

async function reactivate(task: RestoreTask, context: RestoreContext): Promise<Restored> {
  const { grantId } = task.grant;
  const result = await sendStep(grantId, "reactivate", context, () =>
    context.writer.reactivateGrant(grantId),
  );
  if (result === undefined) {
    return {};
  }
  const done = (restored: "reactivated" | "already-there"): Restored => ({
    outcome: { grantId, restored, state: "active" },
  });
  if ("value" in result) {
    return done("reactivated");
  }
  // ZITADEL v2.70 rejects a grant that is already active, including by an attempt whose response was lost.
  return describeError(result.error).id === "COMMAND-1ML0v"
    ? done(result.lost.length > 0 ? "reactivated" : "already-there")
    : failed(task, result);
}

async function addAnew(task: RestoreTask, context: RestoreContext): Promise<Restored> {
  const { grant, userId, recorded } = task;
  const { grantId, newGrantId: known } = grant;
  if (known !== undefined) {
    return await asBefore(task, known, context);
  }
  const { projectId, projectGrantId, roleKeys } = recorded;
  const result = await sendStep(grantId, "add", context, () =>
    context.writer.addGrant({
      userId,
      projectId,
      ...(projectGrantId === undefined ? {} : { projectGrantId }),
      roleKeys,
    }),
  );
  if (result === undefined) {
    return {};
  }
  if ("value" in result) {
    return await asBefore(task, result.value, context);
  }
  return describeError(result.error).id === "V3-DKcYh"
    ? await compare(task, [...grant.lostAdds, ...result.lost], context)
    : failed(task, result);
}

/** Gives an added grant the state of the removed one; a grant that was inactive must not stay active. */
async function asBefore(
  task: RestoreTask,
  newGrantId: string,
  context: RestoreContext,
): Promise<Restored> {
  const { userId, state } = task;
  const { grantId } = task.grant;
  const restored: Restored = { outcome: { grantId, restored: "restored", newGrantId, state } };
  if (state === "active") {
    return restored;
  }
  const { pairSignal: signal } = context.stopSwitch;
  let result: StepResult<unknown> | undefined;
  context.onPair(newGrantId);
  try {
    result = await sendStep(grantId, "deactivate", context, () =>
      context.client.deactivateUserGrant({ userId, grantId: newGrantId }, { signal, timeoutMs }),
    );
  } catch (error) {
    if (!(error instanceof LogFailure)) {
      throw error;
    }
    const reason = new ConnectError(error.message, Code.Aborted);
    return { ...leftActive(task, newGrantId, reason), ends: error };
  } finally {
    context.onPair(undefined);
  }
  if (result === undefined) {
    return leftActive(task, newGrantId, new ConnectError("stopped", Code.Canceled));
  }
  if ("value" in result || isGrantInactive(result.error)) {
    return restored;
  }
  if (describeError(result.error).id === "COMMAND-3M9sd") {
    return failed(task, result);
  }
  return {
    ...leftActive(task, newGrantId, result.error, result.lost.length > 0),
    ...(result.ends ? { ends: result.error } : {}),
  };
}

/** The user has a grant of the project: is it equivalent to the removed one? */
async function compare(
  task: RestoreTask,
  lost: readonly SentStep[],
  context: RestoreContext,
): Promise<Restored> {
  const { state } = task;
  const { grantId } = task.grant;
  const fail = (message: string) =>
    failed(task, { error: new ConnectError(message, Code.AlreadyExists), lost, ends: false });
  let found: ExistingGrants;
  try {
    const { lookup, environment, stopSwitch } = context;
    found = await existingGrants(task, lookup, environment, stopSwitch.stopSignal);
  } catch (reason) {
    if (context.stopSwitch.stopped) {
      return {};
    }
    const { message } = describeError(reason);
    return fail(`the user has a grant of this project, which cannot be looked up: ${message}`);
  }
  const { exact, others } = found;
  if (exact === undefined) {
    const [other] = others;
    if (other === undefined && context.stopSwitch.stopped) {
      return {};
    }
    return fail(
      other === undefined
        ? "the user has a grant of this project, which cannot be seen yet"
        : `the user has grant ${other.grantId} of this project, which is another: roles ${other.roleKeys.join(", ") || "none"}, ${other.state}`,
    );
  }
  const ours = lost.find((step) => madeBy(step, exact));
  if (ours !== undefined && (exact.state === state || exact.state === "active")) {
    context.log.stepResponse(ours.number, true, { newGrantId: exact.grantId });
    return exact.state === state
      ? { outcome: { grantId, restored: "restored", newGrantId: exact.grantId, state } }
      : await asBefore(task, exact.grantId, context);
  }
  if (exact.state === state) {
    const other = exact.grantId === grantId ? {} : { newGrantId: exact.grantId };
    return { outcome: { grantId, restored: "already-there", ...other, state } };
  }
  const message = `the user has grant ${exact.grantId} with the same roles, which is ${exact.state}; it was ${state} before the run.`;
  return exact.state === "active" && lost.length > 0
    ? leftActive(
        task,
        exact.grantId,
        new ConnectError(
          `${message} An earlier attempt of this restore may have added it, as its response was lost`,
          Code.AlreadyExists,
        ),
      )
    : fail(message.replace(/\.$/, ""));
}

/** Whether an attempt to add a grant, whose response was lost, created this one. */
function madeBy({ atMs }: SentStep, { creationDate = "" }: GrantRecord): boolean {
  return Math.abs(Date.parse(creationDate) - atMs) <= clockToleranceMs;
}

function leftActive(
  { grant: { grantId } }: RestoreTask,
  newGrantId: string,
  error: ConnectError,
  lost = false,
): Restored {
  const answerLost = lost ? ({ answerLost: true } as const) : {};
  const what = { grantId, restored: "left-active", newGrantId, state: "active" } as const;
  return { outcome: { ...what, error: describedError(error), ...answerLost } };
}

function failed({ grant: { grantId } }: RestoreTask, { error, lost, ends }: Failure): Restored {
  if (ends) {
    return { ends: error };
  }
  const answerLost = lost.length > 0 ? ({ answerLost: true } as const) : {};
  return {
    outcome: { grantId, restored: "failed", error: describedError(error), ...answerLost },
  };
}

/** How long to search for a grant that must exist: searches are eventually consistent. */
const lagMs = 10_000;
const firstPauseMs = 250;

export interface ExistingGrants {
  /** The one with the roles and the project grant of the removed one. */
  readonly exact: GrantRecord | undefined;
  readonly others: readonly GrantRecord[];
}

/**
 * The grants of a user in one project, when the server has reported that there is one. It can be the one that
 * was to be removed: a removal whose response was lost may not have been applied. Others are searched for,
 * for up to 10 s.
 */
export async function existingGrants(
  { grant: { grantId }, userId, recorded }: RestoreTask,
  lookup: Lookup,
  environment: Environment,
  signal: AbortSignal,
): Promise<ExistingGrants> {
  // Unlike a search, this is up to date.
  const original = await lookup.getGrant(grantId);
  if (original !== undefined) {
    return sorted([original], recorded);
  }
  const { projectId } = recorded;
  const queries = [
    ["userId", userId],
    ["projectId", projectId],
  ] as const;
  const deadlineMs = environment.monotonicMs() + lagMs;
  for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
    const page = await lookup.listGrants(queries, { offset: 0, limit: 1000 });
    // The removed grant may still be listed, and a grant of the same project through another project grant is
    // not the one that the server means.
    const records = (page?.records ?? []).filter((record) => record.grantId !== grantId);
    const found = sorted(records, recorded);
    const leftMs = deadlineMs - environment.monotonicMs();
    if (records.some((record) => sameGrantOf(record, recorded)) || leftMs <= 0 || signal.aborted) {
      return found;
    }
    await sleep(environment, Math.min(pauseMs, leftMs), signal);
  }
}

function sorted(
  records: readonly GrantRecord[],
  recorded: RestoreTask["recorded"],
): ExistingGrants {
  const exact = records.find((record) => isSame(record, recorded));
  return { exact, others: records.filter((record) => record !== exact) };
}

function isSame(record: GrantRecord, recorded: RestoreTask["recorded"]): boolean {
  const sorted = (roles: readonly string[]) => JSON.stringify(roles.toSorted());
  return sameGrantOf(record, recorded) && sorted(record.roleKeys) === sorted(recorded.roleKeys);
}

/** ZITADEL allows one grant for each user, project and project grant. */
function sameGrantOf(record: GrantRecord, recorded: RestoreTask["recorded"]): boolean {
  return (record.projectGrantId ?? "") === (recorded.projectGrantId ?? "");
}
