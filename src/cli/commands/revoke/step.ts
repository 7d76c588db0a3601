import { Code, ConnectError } from "@connectrpc/connect";
import { classify, errorIds, platform, sleep } from "../../../bulk/internal.js";
import { mayHaveBeenApplied } from "../../../index.js";
import { type Change, changeOf, type Step, type StepEntry } from "../../log/entry.js";
import type { Context } from "./context.js";

/** The id with which ZITADEL reports an unknown grant. */
const notFoundIds: Readonly<Record<Step, string>> = {
  add: "",
  reactivate: "COMMAND-Lp0gs",
  deactivate: errorIds.deactivatedNotFound,
};
/** How often a step is sent whose error leaves open whether it was applied. */
const attemptsInDoubt = 6;
const timeoutMs = 30_000;

/** What the server says about a step that it has carried out. */
export type Done = Change & { readonly newGrantId?: string };

/** A step that has failed, and which attempts may have been applied although no response arrived. */
export interface StepFailure {
  readonly error: ConnectError;
  readonly lost: readonly StepEntry[];
}

export type StepResult = StepFailure | { readonly done: Done; readonly lost: readonly StepEntry[] };

/**
 * Sends one step for a grant, logging each attempt before it is sent. Undefined if nothing was sent: the command
 * was stopped, or the log cannot be written. A deactivation, which ends a pair, is sent all the same: it ends
 * only at a second Ctrl-C.
 *
 * All steps may be retried: a second grant for the same user and project is rejected with V3-DKcYh, and the
 * others are idempotent.
 *
 * @param once sends it once, whatever comes of it.
 */
export async function sendStep(
  grantId: string,
  what: Step,
  context: Context,
  send: () => Promise<Done>,
  { once = false } = {},
): Promise<StepResult | undefined> {
  const { log, patience, stopSwitch, turn, io } = context;
  const { environment = platform } = io;
  const endsPair = what === "deactivate";
  const signal = endsPair ? stopSwitch.pairSignal : stopSwitch.stopSignal;
  const lost: StepEntry[] = [];
  let failure: StepFailure | undefined;
  for (let attempt = 1; ; attempt += 1) {
    await turn?.(signal);
    if (signal.aborted) {
      return failure;
    }
    const step = await log?.step(grantId, what).catch(() => stopSwitch.stop());
    if (!step && !endsPair) {
      return failure;
    }
    const respond = (ok: boolean, done?: Done) =>
      step && log?.note({ stepResponse: step.step, ok, ...done });
    let error: ConnectError;
    try {
      const done = await send();
      patience.renew();
      respond(true, done);
      return { done, lost };
    } catch (reason) {
      error = ConnectError.from(reason);
    }
    const kind = classify(error, notFoundIds[what]);
    if (kind === "inactive") {
      respond(true);
      return { done: {}, lost };
    }
    if (!mayHaveBeenApplied(error)) {
      respond(false);
    } else if (step) {
      lost.push(step);
    }
    const isTransient = kind === "throttled" || kind === "lost";
    if (!isTransient) {
      patience.renew();
    }
    const pauseMs = isTransient ? patience.pauseMs(error, attempt) : undefined;
    failure = { error, lost };
    if (kind === "fatal" || (isTransient && pauseMs === undefined)) {
      context.fail(error);
    }
    if (once || pauseMs === undefined || (kind === "lost" && attempt >= attemptsInDoubt)) {
      return failure;
    }
    await sleep(environment, pauseMs, signal);
  }
}

/**
 * Ends a pair of steps: deactivates a grant that must not stay active.
 *
 * @param logged the grant of the run.
 * @param grantId the same, or the one that was added in its place.
 * @returns why it may be active; undefined if it is inactive.
 */
export async function endPair(
  logged: string,
  grantId: string,
  userId: string,
  context: Context,
): Promise<StepFailure | undefined> {
  const { client, pairs, stopSwitch } = context;
  pairs.add(grantId);
  // ZITADEL does not compare the user, but requires one.
  const request = { userId: userId || grantId, grantId };
  const result = await sendStep(logged, "deactivate", context, async () =>
    changeOf(
      await client.deactivateUserGrant(request, { signal: stopSwitch.pairSignal, timeoutMs }),
    ),
  );
  pairs.delete(grantId);
  if (result === undefined) {
    return { error: new ConnectError("stopped", Code.Canceled), lost: [] };
  }
  return "error" in result ? result : undefined;
}
