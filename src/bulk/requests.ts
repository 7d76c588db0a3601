import { type CallOptions, Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { retrySwitch } from "../client/retry.js";
import { sendGate } from "../common/hooks.js";
import {
  type Environment,
  exponential,
  readPushbackMs,
  readRetryAfterMs,
  sleep,
} from "../common/time.js";
import { mayHaveBeenApplied, wasSent } from "../errors/certainty.js";
import { describeError, isGrantInactive } from "../errors/describe.js";
import { isPermanent } from "../errors/failure.js";
import type { BulkOptions } from "./options.js";
import type { Pace, Slot } from "./pace.js";
import type { Grant } from "./pool.js";
import { NotSent, type Stop, Stopped } from "./stop.js";

/** A request that was throttled, or whose response was lost, this many times has failed. */
const mostAttempts = 5;
/** A batch that timed out this many times, and in no other way failed, may take too long: it is split. */
const mostTimeouts = 2;
const pauseWhenLost = { firstMs: 100, maxMs: 1_600 };

/** The result of a request, after as many attempts as it took. */
export type Result =
  | { readonly kind: "ok" }
  | { readonly kind: Exclude<MeaningKind, "fatal">; readonly error: ConnectError };

/** Sends one request for some grants, and retries it while a retry can help. */
export type Ask<G extends Grant> = (
  grants: readonly G[],
  send: (options: CallOptions) => Promise<unknown>,
  attempts?: number,
) => Promise<Result>;

export interface RequestsOptions {
  readonly options: Pick<BulkOptions<never>, "orgId" | "timeoutMs">;
  /** The id with which this RPC reports an unknown grant. */
  readonly notFoundId: string;
  readonly environment: Environment;
}

/**
 * Sends requests at the run's pace, and retries them.
 *
 * @param onLost is called with the grants of a request that may have been applied although it failed.
 */
export function createAsk<G extends Grant>(
  { options, notFoundId, environment }: RequestsOptions,
  pace: Pace,
  stop: Stop,
  onLost: (grants: readonly G[]) => void,
): Ask<G> {
  /** @throws Stopped when the run stops before the request has its result. */
  return async (grants, send, attempts = mostAttempts) => {
    let onlyTimeouts = grants.length > 1;
    let attempt = 0;
    for (;;) {
      const slot = await pace.take(stop.signal, options.timeoutMs ?? 30_000);
      let failure: { readonly error: unknown } | undefined;
      try {
        if (stop.signal.aborted) {
          throw new Stopped();
        }
        failure = await exchange(slot, send);
      } finally {
        slot.release();
      }
      if (failure === undefined) {
        pace.taken();
        return { kind: "ok" };
      }
      if (failure.error instanceof NotSent) {
        stop.becauseOfThrown(failure.error.cause);
        throw new Stopped();
      }
      const error = ConnectError.from(failure.error);
      if (mayHaveBeenApplied(failure.error)) {
        onLost(grants);
      }
      if (stop.cancelSignal.aborted) {
        throw new Stopped();
      }
      const isLate = environment.monotonicMs() - slot.sentMs >= slot.timeoutMs;
      const kind = classify(error, notFoundId, isLate);
      switch (kind) {
        case "fatal":
          stop.because(error);
          throw new Stopped();
        case "throttled":
          pace.throttled(slot, retryAfterMs(error, environment.wallMs()));
          break;
        case "lost":
          pace.failed(slot);
          break;
        default:
          pace.taken();
          return { kind, error };
      }
      if (pace.hopeless) {
        stop.because(error);
        throw new Stopped();
      }
      if (wasSent(failure.error) === false) {
        // The network's failure, not this request's: waited for until the run gives up.
        continue;
      }
      attempt += 1;
      onlyTimeouts &&= error.code === Code.DeadlineExceeded;
      if (attempt >= (onlyTimeouts ? Math.min(attempts, mostTimeouts) : attempts)) {
        return { kind: onlyTimeouts ? "lost" : kind, error };
      }
      if (kind === "lost") {
        await sleep(environment, exponential(environment, pauseWhenLost, attempt), stop.signal);
      }
    }
  };

  /** Makes one call. A request that has not left yet when the run stops is not sent. */
  async function exchange(
    slot: Slot,
    send: (options: CallOptions) => Promise<unknown>,
  ): Promise<{ readonly error: unknown } | undefined> {
    const controller = new AbortController();
    const cancel = () => controller.abort(canceled());
    const gate = () => {
      const cancelled = new AbortController();
      const ready = stop.signal.aborted
        ? new Promise<void>(() => undefined)
        : slot.leave(cancelled.signal);
      if (ready === undefined) {
        return undefined;
      }
      const done = () => {
        cancelled.abort();
        stop.signal.removeEventListener("abort", cancel);
      };
      stop.signal.addEventListener("abort", cancel);
      if (stop.signal.aborted) {
        cancel();
      }
      return { ready: ready.finally(done), cancel: done };
    };
    const call = async () => {
      await send({
        signal: controller.signal,
        timeoutMs: slot.timeoutMs,
        contextValues: createContextValues().set(retrySwitch, false).set(sendGate, gate),
        ...(options.orgId === undefined ? {} : { headers: { "x-zitadel-orgid": options.orgId } }),
      });
      return undefined;
    };
    stop.cancelSignal.addEventListener("abort", cancel);
    try {
      // Some clients ignore their signal.
      return await stop.orAborted(call(), () => ({ error: canceled() }));
    } catch (error) {
      return { error };
    } finally {
      stop.cancelSignal.removeEventListener("abort", cancel);
    }
  }

  /** One for each call: a call puts on its error what it knows. */
  function canceled(): ConnectError {
    const { undecidedError } = stop;
    return new ConnectError(
      undecidedError.rawMessage,
      Code.Canceled,
      undefined,
      undefined,
      undecidedError,
    );
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
 * @param isLate whether the error came when the request's time was up: a lookup that the server's own deadline
 * cuts off is reported as an instance or organization that does not exist.
 */
export function classify(error: ConnectError, notFoundId: string, isLate = false): MeaningKind {
  const kind = kindOf(error, notFoundId);
  return kind === "fatal" && isLate ? "throttled" : kind;
}

function kindOf(error: ConnectError, notFoundId: string): MeaningKind {
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
      return id === "EVENT-Shu7e" ? "rejected" : "fatal";
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
  if (isGrantInactive(error)) {
    return "inactive";
  }
  // The list sent is never empty: an intermediary drops the body of a DELETE.
  const isOfTheRequest = wasSent(error) !== false && concernsRequest.has(code);
  return isOfTheRequest && id !== "COMMAND-5M0sd" ? "rejected" : "fatal";
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
