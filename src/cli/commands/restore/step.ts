import { ConnectError } from "@connectrpc/connect";
import {
  classify,
  type Environment,
  type ManagementClient,
  sleep,
} from "../../../bulk/internal.js";
import { mayHaveBeenApplied } from "../../../index.js";
import type { Lookup } from "../../grants/lookup.js";
import type { SentStep, Step } from "../../log/entry.js";
import type { RunLog } from "../../log/write.js";
import { retryPauseMs } from "../../pace.js";
import type { StopSwitch } from "../../progress.js";

export interface RestoreContext {
  /** Reads, at the rate of the restore, until it is stopped. */
  readonly lookup: Lookup;
  /** Reactivates and adds. */
  readonly writer: Lookup;
  /** Deactivates. */
  readonly client: ManagementClient;
  readonly log: RunLog;
  readonly trouble: Trouble;
  readonly environment: Environment;
  readonly stopSwitch: StopSwitch;
  /** Awaited before each step: the rate limit. */
  readonly turn?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Told which grant is active that must not be, until it is deactivated. */
  readonly onPair: (newGrantId: string | undefined) => void;
}

/** The result of a step, and which attempts may have been applied although no response arrived. */
export type StepResult<T> = { readonly lost: readonly SentStep[] } & (
  | { readonly value: T }
  | {
      readonly error: ConnectError;
      /** Whether no grant can be restored, so that the rest is skipped. */
      readonly ends: boolean;
    }
);

/** The id with which ZITADEL reports an unknown grant. */
const notFoundIds: Readonly<Record<Step, string>> = {
  add: "",
  reactivate: "COMMAND-Lp0gs",
  deactivate: "COMMAND-3M9sd",
};

/**
 * Sends one step, logging each attempt before it is sent. All steps may be retried: a second grant for the
 * same user and project is rejected with V3-DKcYh, and the others are idempotent. Undefined when the restore
 * was stopped before anything was sent: a deactivation, which completes a pair, only by a second Ctrl-C.
 *
 * @throws LogFailure when it cannot be logged.
 */
export async function sendStep<T>(
  grantId: string,
  what: Step,
  { log, trouble, environment, stopSwitch, turn }: RestoreContext,
  send: () => Promise<T>,
): Promise<StepResult<T> | undefined> {
  const signal = what === "deactivate" ? stopSwitch.pairSignal : stopSwitch.stopSignal;
  const lost: SentStep[] = [];
  let failure: StepResult<T> | undefined;
  for (let attempt = 1; ; attempt += 1) {
    await turn?.(signal);
    if (signal.aborted) {
      return failure;
    }
    const step = await log.restoreStep(grantId, what);
    let error: ConnectError;
    try {
      const value = await send();
      trouble.end();
      log.stepResponse(step.number, true, what === "add" ? { newGrantId: String(value) } : {});
      return { value, lost };
    } catch (reason) {
      error = ConnectError.from(reason);
    }
    const kind = classify(error, notFoundIds[what]);
    if (mayHaveBeenApplied(error)) {
      lost.push(step);
    } else {
      log.stepResponse(step.number, false);
    }
    if (kind !== "throttled" && kind !== "lost") {
      trouble.end();
    }
    const leftMs = kind === "throttled" ? trouble.leftMs(environment.monotonicMs()) : giveUpMs;
    failure = { error, lost, ends: kind === "fatal" || leftMs <= 0 };
    const mayRetry =
      kind === "throttled" ? leftMs > 0 : kind === "lost" && attempt < attemptsInDoubt;
    if (!mayRetry) {
      return failure;
    }
    await sleep(environment, Math.min(leftMs, retryPauseMs(environment, attempt, error)), signal);
  }
}

/** How often a step is sent whose error leaves open whether it was applied. */
const attemptsInDoubt = 3;
/** How long the server may accept nothing before the restore is aborted. */
const giveUpMs = 300_000;

/** Since when the server accepts nothing: that is a failure of the whole restore, not of one grant. */
export class Trouble {
  #sinceMs: number | undefined;

  end(): void {
    this.#sinceMs = undefined;
  }

  leftMs(nowMs: number): number {
    this.#sinceMs ??= nowMs;
    return this.#sinceMs + giveUpMs - nowMs;
  }
}
