import {
  type CallOptions,
  Code,
  type ConnectError,
  createContextValues,
} from "@connectrpc/connect";
import { retrySwitch } from "../client/retry.js";
import { sendGate } from "../common/hooks.js";
import { type Environment, readPushbackMs, readRetryAfterMs } from "../common/time.js";
import {
  asConnectError,
  causedBy,
  decisionOf,
  mayHaveBeenApplied,
  wasSent,
} from "../errors/certainty.js";
import { describeError, errorIds } from "../errors/describe.js";
import { isPermanent } from "../errors/failure.js";
import type { BulkOptions } from "./options.js";
import type { Pace, Slot } from "./pace.js";
import type { Grant } from "./pool.js";
import { NotSent, type Stop, Stopped } from "./stop.js";

/** The result of a request. */
export type Result = { readonly kind: "ok" } | Failed;

export interface Failed {
  readonly kind: Exclude<MeaningKind, "fatal">;
  readonly error: ConnectError;
  readonly mayBeApplied: boolean;
}

/** Sends a request for some grants. */
export type Ask<G extends Grant> = (grants: readonly G[]) => Promise<Result>;

export interface RequestsOptions<G extends Grant> {
  readonly options: Pick<BulkOptions<never>, "orgId">;
  readonly send: (grants: readonly G[], callOptions: CallOptions) => Promise<unknown>;
  /** The id with which this RPC reports an unknown grant. */
  readonly notFoundId: string;
  readonly environment: Environment;
}

/**
 * Sends requests at the run's pace, and again while the server is throttling and processes none of them.
 *
 * @param onLost is called with the grants of a request that may have been applied although it failed.
 */
export function createAsk<G extends Grant>(
  { options, send, notFoundId, environment }: RequestsOptions<G>,
  pace: Pace,
  stop: Stop,
  onLost: (grants: readonly G[]) => void,
): Ask<G> {
  /** @throws Stopped when the run stops before the request has its result. */
  return async (grants) => {
    let failingSinceMs: number | undefined;
    for (;;) {
      const slot = await pace.take(stop.signal);
      if (stop.signal.aborted) {
        throw new Stopped();
      }
      const failure = await exchange(slot, grants);
      pace.release();
      if (failure === undefined) {
        pace.taken();
        return { kind: "ok" };
      }
      if (failure.error instanceof NotSent) {
        stop.becauseOfThrown(failure.error.cause);
        throw new Stopped();
      }
      const error = asConnectError(failure.error);
      const mayBeApplied = mayHaveBeenApplied(failure.error);
      if (mayBeApplied) {
        onLost(grants);
      }
      if (stop.cancelSignal.aborted) {
        throw new Stopped();
      }
      const nowMs = environment.monotonicMs();
      failingSinceMs ??= nowMs;
      const meaning = classify(error, notFoundId);
      // A lookup that the server's own deadline cuts off: no such instance or organization, it says.
      const isLate = nowMs - slot.sentMs >= pace.timeoutMs;
      const kind = meaning === "fatal" && isLate ? "throttled" : meaning;
      const isTransient = kind === "throttled" || kind === "lost";
      if (kind === "lost") {
        pace.lost(slot);
      } else if (kind === "throttled") {
        pace.throttled(slot, retryAfterMs(error, environment.wallMs()));
      } else if (kind !== "fatal") {
        if (wasSent(error) !== false) {
          pace.taken();
        }
        return { kind, error, mayBeApplied };
      }
      if (!isTransient || pace.hopeless) {
        stop.because(error);
        throw new Stopped();
      }
      if (mayBeApplied || nowMs - failingSinceMs >= pace.giveUpMs) {
        return { kind, error, mayBeApplied };
      }
    }
  };

  /** Makes one call. A request that has not left yet when the run stops is not sent. */
  async function exchange(
    slot: Slot,
    grants: readonly G[],
  ): Promise<{ readonly error: unknown } | undefined> {
    const controller = new AbortController();
    const cancel = () => controller.abort(canceled());
    const throwIfStopped = () => {
      if (stop.signal.aborted) {
        throw canceled();
      }
    };
    const call = async () => {
      await send(grants, {
        signal: controller.signal,
        timeoutMs: pace.timeoutMs,
        contextValues: createContextValues()
          .set(retrySwitch, false)
          .set(sendGate, () =>
            stop.signal.aborted
              ? Promise.reject(canceled())
              : pace.leave(slot, stop.signal)?.then(throwIfStopped),
          ),
        ...(options.orgId === undefined ? {} : { headers: { "x-zitadel-orgid": options.orgId } }),
      });
      return true;
    };
    stop.cancelSignal.addEventListener("abort", cancel);
    try {
      // Some clients ignore their signal.
      return (await stop.orAborted(call())) ? undefined : { error: canceled() };
    } catch (error) {
      return { error };
    } finally {
      stop.cancelSignal.removeEventListener("abort", cancel);
    }
  }

  /** One for each call: a call puts on its error what it knows. */
  function canceled(): ConnectError {
    const { rawMessage } = stop.undecidedError;
    return causedBy(stop.undecidedError, rawMessage, Code.Canceled);
  }
}

/** What an error says about the grants of its request. */
export type MeaningKind =
  /** One of the grants is unknown. */
  | "not-found"
  /** The grant of a deactivation was already inactive. */
  | "inactive"
  /** One of the grants cannot be changed by this caller, or by anyone; the others could be. */
  | "rejected"
  /** The server is throttling, or cannot be reached at present. */
  | "throttled"
  /** It is unknown whether the server applied the request. */
  | "lost"
  /** No request of this run can succeed. */
  | "fatal";

/**
 * What an error means for a bulk run, by its code and ZITADEL's error id: NOT_FOUND and PERMISSION_DENIED can
 * concern a single grant or the caller. Whether the request may have been applied is another question:
 * `mayHaveBeenApplied`.
 *
 * @param notFoundId the id with which this RPC reports an unknown grant.
 */
export function classify(error: ConnectError, notFoundId: string): MeaningKind {
  const { code, id } = describeError(error);
  if (isPermanent(error)) {
    return "fatal";
  }
  switch (code) {
    case Code.NotFound:
      // Without this id: no membership, an unknown host name, or a proxy's error page.
      return id === notFoundId ? "not-found" : "fatal";
    case Code.PermissionDenied:
      // The caller's role covers some projects, and this grant is of another.
      return id === errorIds.otherProject ? "rejected" : "fatal";
    case Code.Unauthenticated:
    case Code.Unimplemented:
      return "fatal";
    case Code.ResourceExhausted:
      // Not sent: it has more than `writeMaxBytes`.
      return wasSent(error) === false ? "fatal" : "throttled";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return "throttled";
  }
  if (mayHaveBeenApplied(error)) {
    return "lost";
  }
  if (id === errorIds.inactive) {
    return "inactive";
  }
  const isOfTheRequest =
    decisionOf(error) === "unfit" || (wasSent(error) !== false && concernsRequest.has(code));
  return isOfTheRequest && id !== errorIds.emptyRequest ? "rejected" : "fatal";
}

/** With any other code a client reports what holds for each of its requests: a redirect, or that it was closed. */
const concernsRequest: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.AlreadyExists,
]);

/**
 * How long the server asks the client to wait, in milliseconds; undefined if it does not say. If the server
 * asks for no retry at all, a run continues at its own pace.
 */
export function retryAfterMs({ metadata }: ConnectError, nowEpochMs: number): number | undefined {
  const askedMs = readPushbackMs(metadata, nowEpochMs);
  return askedMs === Number.POSITIVE_INFINITY ? readRetryAfterMs(metadata, nowEpochMs) : askedMs;
}
