import { Code, ConnectError } from "@connectrpc/connect";
import { classify } from "../../bulk/classify.js";
import type { ManagementClient } from "../../client/client.js";
import type { Environment } from "../../common/environment.js";
import { describeError, isGrantInactive } from "../../errors/describe.js";
import { describedError, type RestoreOutcome, type RestoreStep } from "../log/entry.js";
import type { RestoreLog } from "../log/restore-log.js";
import type { RestoreProgress } from "../log/restore-progress.js";
import type { Lookup } from "../lookup.js";
import { existingGrant } from "./existing-grant.js";
import type { RestoreTask } from "./restore-plan.js";

export interface RestoreContext {
  readonly lookup: Lookup;
  /** Deactivates; reactivating and adding are JSON routes of the lookup. */
  readonly client: ManagementClient;
  readonly log: RestoreLog;
  readonly progress: RestoreProgress;
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

/**
 * Brings one grant back, each step logged before it is sent.
 *
 * @throws ConnectError when no grant can be restored; LogFailure when a step cannot be logged.
 */
export async function restoreGrant(
  task: RestoreTask,
  context: RestoreContext,
): Promise<RestoreOutcome> {
  return task.action === "add" ? await addAnew(task, context) : await reactivate(task, context);
}

async function reactivate(task: RestoreTask, context: RestoreContext): Promise<RestoreOutcome> {
  const { grantId, userId } = task;
  const result = await step(task, "reactivate", context, () =>
    context.lookup.reactivateGrant(userId, grantId),
  );
  if ("value" in result) {
    return { grantId, restored: "reactivated", state: "active" };
  }
  return describeError(result.error).id === "COMMAND-1ML0v"
    ? // ZITADEL v2.70 rejects what is active already.
      { grantId, restored: "already-there", state: "active" }
    : failed(task, result);
}

async function addAnew(task: RestoreTask, context: RestoreContext): Promise<RestoreOutcome> {
  const { grantId, userId, recorded, index } = task;
  let newGrantId = context.progress.newGrantId(index);
  let addLost = context.progress.addLost(index);
  if (newGrantId === undefined) {
    const { projectId, projectGrantId, roleKeys } = recorded;
    const result = await step(task, "add", context, () =>
      context.lookup.addGrant({
        userId,
        projectId,
        ...(projectGrantId === undefined ? {} : { projectGrantId }),
        roleKeys,
      }),
    );
    if ("error" in result) {
      addLost ||= result.lost;
      return describeError(result.error).id === "V3-DKcYh"
        ? await compare(task, addLost, context)
        : failed(task, result);
    }
    newGrantId = result.value;
  }
  if (task.state === "active") {
    return { grantId, restored: "restored", newGrantId, state: "active" };
  }
  return await deactivateAgain(task, newGrantId, context);
}

/** A grant that was inactive must not be left with more than it had. */
async function deactivateAgain(
  task: RestoreTask,
  newGrantId: string,
  context: RestoreContext,
): Promise<RestoreOutcome> {
  const { grantId, userId } = task;
  const result = await step(task, "deactivate", context, () =>
    context.client.deactivateUserGrant({ userId, grantId: newGrantId }),
  );
  return "value" in result || isGrantInactive(result.error)
    ? { grantId, restored: "restored", newGrantId, state: "inactive" }
    : { ...failed(task, result), restored: "left-active", newGrantId, state: "active" };
}

/** The user has a grant of the project: is it what the removed one was? */
async function compare(
  task: RestoreTask,
  addLost: boolean,
  { lookup, environment, signal }: RestoreContext,
): Promise<RestoreOutcome> {
  const { grantId, state } = task;
  const { exact, others } = await existingGrant(task, lookup, environment, signal);
  if (exact?.state === state) {
    return { grantId, restored: "already-there", newGrantId: exact.grantId, state };
  }
  const fail = (message: string): RestoreOutcome =>
    failed(task, { error: new ConnectError(message, Code.AlreadyExists), lost: false });
  if (exact !== undefined) {
    const ours = addLost
      ? " An earlier attempt of this restore may have added it, as its response was lost."
      : "";
    return fail(
      `the user has grant ${exact.grantId} with the same roles, which is ${exact.state}; it was ${state} before the run.${ours}`,
    );
  }
  const [other] = others;
  return fail(
    other === undefined
      ? "the user has a grant of this project, which cannot be seen yet"
      : `the user has grant ${other.grantId} of this project, which is another: roles ${other.roleKeys.join(", ") || "none"}, ${other.state}`,
  );
}

type Result<T> = { readonly value: T } | { readonly error: ConnectError; readonly lost: boolean };

async function step<T>(
  { grantId }: RestoreTask,
  what: RestoreStep,
  { log }: RestoreContext,
  send: () => Promise<T>,
): Promise<Result<T>> {
  const number = await log.step(grantId, what);
  try {
    const value = await send();
    log.answer(number, true, what === "add" ? String(value) : undefined);
    return { value };
  } catch (reason) {
    const error = ConnectError.from(reason);
    const notFoundId = what === "reactivate" ? "COMMAND-Lp0gs" : "COMMAND-3M9sd";
    const { kind, maybeApplied } = classify(error, notFoundId);
    if (!maybeApplied) {
      log.answer(number, false);
    }
    if (kind === "fatal") {
      throw error;
    }
    return { error, lost: maybeApplied };
  }
}

function failed(
  { grantId }: RestoreTask,
  { error, lost }: { readonly error: ConnectError; readonly lost: boolean },
): RestoreOutcome {
  return {
    ...{ grantId, restored: "failed", error: describedError(error) },
    ...(lost ? { answerLost: true } : {}),
  };
}
