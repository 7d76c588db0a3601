import { Code, type ConnectError } from "@connectrpc/connect";
import { readPushbackMs, readRetryAfterMs } from "../common/retry-after.js";
import { describeError, isGrantInactive } from "../errors/describe.js";
import { notProcessed } from "../errors/not-processed.js";

/** What an error says about the grants of its request. */
export type MeaningKind =
  /** One of them is unknown. */
  | "not-found"
  /** The one of a deactivation was inactive before. */
  | "inactive"
  /** One of them cannot be changed by this caller, or by anybody; the others could be. */
  | "rejected"
  /** There are too many bytes of them in one request. */
  | "too-large"
  /** The server has too much to do. */
  | "throttled"
  /** It does not say what became of the request. */
  | "lost"
  /** No request of this run can succeed. */
  | "fatal";

export interface Meaning {
  readonly kind: MeaningKind;
  /** Whether the server may have done what was asked for all the same. */
  readonly maybeApplied: boolean;
}

/** The transports' own words for a response without a valid status from the server. */
const spoiledResponse = /the stream was reset|protocol error|broke the \S+ protocol/;

/**
 * Says what an error means for a bulk run. Decides by ZITADEL's id of the cause where the code alone
 * says too little: NOT_FOUND and PERMISSION_DENIED have meanings that concern one grant and others that
 * concern the caller.
 *
 * @param notFoundId the id with which this RPC says that a grant is unknown.
 */
export function classify(error: ConnectError, notFoundId: string): Meaning {
  const kind = kindOf(error, notFoundId);
  if (notProcessed(error)) {
    // No connection was made, say: the request has not reached the server.
    return { kind, maybeApplied: false };
  }
  switch (kind) {
    case "lost":
      return { kind, maybeApplied: true };
    case "throttled":
      // UNAVAILABLE is also said by whatever lies in between, before or after the server did it.
      return {
        kind,
        maybeApplied:
          error.code !== Code.ResourceExhausted || spoiledResponse.test(error.rawMessage),
      };
    case "fatal":
      return { kind, maybeApplied: spoiledResponse.test(error.rawMessage) };
    default:
      return { kind, maybeApplied: false };
  }
}

function kindOf(error: ConnectError, notFoundId: string): MeaningKind {
  const { code, id } = describeError(error);
  switch (code) {
    case Code.NotFound:
      // Without this id: no membership, an unknown host name, a proxy's page.
      return id === notFoundId ? "not-found" : "fatal";
    case Code.PermissionDenied:
      // The caller's role covers some projects, and this grant is of another.
      return id === "EVENT-Shu7e" ? "rejected" : "fatal";
    case Code.Unauthenticated:
    case Code.Unimplemented:
      return "fatal";
    case Code.FailedPrecondition:
      return isGrantInactive(error) ? "inactive" : "rejected";
    case Code.InvalidArgument:
      // An empty list, which is never sent: something in between drops the body of a DELETE.
      return id === "COMMAND-5M0sd" ? "fatal" : "rejected";
    case Code.OutOfRange:
    case Code.AlreadyExists:
      return "rejected";
    case Code.ResourceExhausted:
      if (error.rawMessage.includes("readMaxBytes")) {
        // Made here: a response came and was larger than the client accepts.
        return "lost";
      }
      // grpc-go's words for a request over its limit; the rest is a quota or a rate limit.
      return /message larger than max|writeMaxBytes/.test(error.rawMessage)
        ? "too-large"
        : "throttled";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return "throttled";
    default:
      return "lost";
  }
}

/**
 * How long the server asks to be left alone, in milliseconds; undefined where it does not say. A run goes
 * on where it is asked not to come back at all, at its own pace.
 */
export function retryAfterMs({ metadata }: ConnectError, nowEpochMs: number): number | undefined {
  const askedMs = readPushbackMs(metadata, nowEpochMs);
  return askedMs === Number.POSITIVE_INFINITY ? readRetryAfterMs(metadata, nowEpochMs) : askedMs;
}
