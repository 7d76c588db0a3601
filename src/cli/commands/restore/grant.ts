import { Code, ConnectError } from "@connectrpc/connect";
import { platform, sleep } from "../../../bulk/internal.js";
import { describeError, isGrantNotFound } from "../../../index.js";
import type { GrantRecord } from "../../grants/record.js";
import { describedError, type RestoreOutcome, type StepEntry } from "../../log/entry.js";
import type { Context } from "../revoke/context.js";
import { endPair, type StepFailure, sendStep } from "../revoke/step.js";
import type { RestoreTask } from "./plan.js";

/** The largest expected skew between the clocks of this machine and the server. */
const clockToleranceMs = 300_000;

/** Restores one grant. Undefined if nothing is known of it, and everything is left to do. */
export async function restoreGrant(
  task: RestoreTask,
  context: Context,
): Promise<RestoreOutcome | undefined> {
  return task.action === "add" ? await add(task, context) : await reactivate(task, context);
}

async function reactivate(
  task: RestoreTask,
  context: Context,
): Promise<RestoreOutcome | undefined> {
  const { grantId } = task.grant;
  const result = await sendStep(grantId, "reactivate", context, () =>
    context.writer.reactivateGrant(grantId),
  );
  if (result === undefined) {
    return undefined;
  }
  if ("error" in result && describeError(result.error).id !== "COMMAND-1ML0v") {
    return failed(task, result, context);
  }
  // ZITADEL v2.70 rejects a grant that is already active, including by an attempt whose response was lost.
  const wasActive = "error" in result && result.lost.length === 0;
  return { grantId, restored: wasActive ? "already-there" : "reactivated", state: "active" };
}

async function add(task: RestoreTask, context: Context): Promise<RestoreOutcome | undefined> {
  const { grant, userId, recorded } = task;
  if (grant.newGrantId !== undefined) {
    return await asBefore(task, grant.newGrantId, context);
  }
  const { projectId, projectGrantId, roleKeys } = recorded;
  const result = await sendStep(grant.grantId, "add", context, async () => ({
    newGrantId: await context.writer.addGrant({ userId, projectId, projectGrantId, roleKeys }),
  }));
  if (result === undefined) {
    return undefined;
  }
  if ("error" in result) {
    return describeError(result.error).id === "V3-DKcYh"
      ? await compare(task, [...(grant.lostAdds ?? []), ...result.lost], context)
      : failed(task, result, context);
  }
  return await asBefore(task, result.done.newGrantId ?? "", context);
}

/** Gives an added grant the state of the removed one; a grant that was inactive must not stay active. */
async function asBefore(
  task: RestoreTask,
  newGrantId: string,
  context: Context,
): Promise<RestoreOutcome | undefined> {
  const { grant, userId, state } = task;
  const { grantId } = grant;
  const failure =
    state === "active" ? undefined : await endPair(grantId, newGrantId, userId, context);
  if (failure === undefined) {
    return { grantId, restored: "restored", newGrantId, state };
  }
  return isGrantNotFound(failure.error)
    ? failed(task, failure, context)
    : leftActive(task, newGrantId, failure);
}

/** The user has a grant of the project: is it equivalent to the removed one? */
async function compare(
  task: RestoreTask,
  lost: readonly StepEntry[],
  context: Context,
): Promise<RestoreOutcome | undefined> {
  const { grant, recorded, state } = task;
  const { grantId } = grant;
  const fail = (message: string) =>
    failed(task, { error: new ConnectError(message, Code.AlreadyExists), lost }, context);
  let there: GrantRecord | undefined;
  try {
    there = await existingGrant(task, context);
  } catch (reason) {
    const { message } = describeError(reason);
    return fail(`the user has a grant of this project, which cannot be looked up: ${message}`);
  }
  if (there === undefined) {
    return fail("the user has a grant of this project, which cannot be seen yet");
  }
  if (rolesOf(there) !== rolesOf(recorded)) {
    return fail(
      `the user has grant ${there.grantId} of this project, which is another: roles ${there.roleKeys.join(", ") || "none"}, ${there.state}`,
    );
  }
  const ours = lost.find((step) => madeBy(step, there));
  if (ours !== undefined && (there.state === state || there.state === "active")) {
    context.log?.note({ stepResponse: ours.step, ok: true, newGrantId: there.grantId });
    return await asBefore(task, there.grantId, context);
  }
  if (there.state === state) {
    const another = there.grantId === grantId ? {} : { newGrantId: there.grantId };
    return { grantId, restored: "already-there", ...another, state };
  }
  const message = `the user has grant ${there.grantId} with the same roles, which is ${there.state}; it was ${state} before the run`;
  if (there.state !== "active" || lost.length === 0) {
    return fail(message);
  }
  const why = `${message}. An earlier attempt of this restore may have added it, as its response was lost`;
  const error = new ConnectError(why, Code.AlreadyExists);
  return leftActive(task, there.grantId, { error, lost: [] });
}

/** Whether an attempt to add a grant, whose response was lost, created this one. */
function madeBy({ at = "" }: StepEntry, { creationDate = "" }: GrantRecord): boolean {
  return Math.abs(Date.parse(creationDate) - Date.parse(at)) <= clockToleranceMs;
}

function rolesOf({ roleKeys }: Pick<GrantRecord, "roleKeys">): string {
  return JSON.stringify(roleKeys.toSorted());
}

function leftActive(
  { grant: { grantId } }: RestoreTask,
  newGrantId: string,
  failure: StepFailure,
): RestoreOutcome {
  return { grantId, restored: "left-active", newGrantId, state: "active", ...reason(failure) };
}

/** Undefined if the restore has stopped, and nothing may have been applied: then it is left to do. */
function failed(
  { grant: { grantId } }: RestoreTask,
  failure: StepFailure,
  { stopSwitch }: Context,
): RestoreOutcome | undefined {
  return stopSwitch.stopSignal.aborted && failure.lost.length === 0
    ? undefined
    : { grantId, restored: "failed", ...reason(failure) };
}

function reason({ error, lost }: StepFailure) {
  return {
    error: describedError(error),
    ...(lost.length > 0 ? ({ answerLost: true } as const) : {}),
  };
}

/** How long to search for a grant that must exist: searches are eventually consistent. */
const lagMs = 10_000;
const firstPauseMs = 250;

/**
 * The grant of a user, project and project grant, when the server has reported that there is one: ZITADEL allows
 * one. It can be the one that was to be removed: a removal whose response was lost may not have been applied.
 * Another one is searched for, for up to 10 s; of two, as one may still be listed, the one with the same roles.
 */
async function existingGrant(
  { grant: { grantId, status }, userId, recorded }: RestoreTask,
  { reader, stopSwitch: { stopSignal }, io: { environment = platform } }: Context,
): Promise<GrantRecord | undefined> {
  // One whose removal is confirmed can still be shown.
  const original = status === "removed" ? undefined : await reader.getGrant(grantId);
  if (original !== undefined) {
    return original;
  }
  const queries = [
    ["userId", userId],
    ["projectId", recorded.projectId],
  ] as const;
  const deadlineMs = environment.monotonicMs() + lagMs;
  for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
    const page = await reader.listGrants(queries, { offset: 0, limit: 1000 });
    const found = (page?.records ?? []).filter(
      (record) =>
        // The removed grant may still be listed.
        record.grantId !== grantId &&
        (record.projectGrantId ?? "") === (recorded.projectGrantId ?? ""),
    );
    const leftMs = deadlineMs - environment.monotonicMs();
    if (found.length > 0 || leftMs <= 0 || stopSignal.aborted) {
      return found.find((record) => rolesOf(record) === rolesOf(recorded)) ?? found[0];
    }
    await sleep(environment, Math.min(pauseMs, leftMs), stopSignal);
  }
}
