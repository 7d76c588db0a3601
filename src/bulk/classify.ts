import { Code, type ConnectError } from "@connectrpc/connect";
import { readPushbackMs, readRetryAfterMs } from "../common/retry-after.js";
import { describeError, isGrantInactive } from "../errors/describe.js";
import { notProcessed } from "../errors/not-processed.js";

/**
 * A lookup that the server's deadline cut off is reported as an instance or organization that does not exist;
 * the former says so in its message.
 */
const serverDeadline = /context (deadline exceeded|canceled)/;

/** What an error says about the grants of its request. */
export type MeaningKind =
  /** One of the grants is unknown. */
  | "not-found"
  /** The grant of a deactivation was already inactive. */
  | "inactive"
  /** One of the grants cannot be changed by this caller, or by anyone; the others could be. */
  | "rejected"
  /** The request is too large in bytes. */
  | "too-large"
  /** The server is throttling. */
  | "throttled"
  /** It is unknown whether the server applied the request. */
  | "lost"
  /** No request of this run can succeed. */
  | "fatal";

export interface Meaning {
  readonly kind: MeaningKind;
  /** Whether the server may have applied the request despite the error. */
  readonly maybeApplied: boolean;
}

/**
 * The transports' messages for a response that is not the server's: one without a valid gRPC status, or the
 * page of a firewall, which can also block what the server responds.
 */
const spoiledResponse = /the stream was reset|protocol error|broke the \S+ protocol|^got HTTP 403 /;

/**
 * Classifies what an error means for a bulk run. It uses ZITADEL's error id where the code alone is
 * ambiguous: NOT_FOUND and PERMISSION_DENIED can concern a single grant or the caller.
 *
 * @param notFoundId the id with which this RPC reports an unknown grant.
 * @param isLate whether the error came when the request's time was up.
 */
export function classify(error: ConnectError, notFoundId: string, isLate = false): Meaning {
  const kindByCode = kindOf(error, notFoundId);
  const kind =
    kindByCode === "fatal" && (isLate || serverDeadline.test(error.rawMessage))
      ? "throttled"
      : kindByCode;
  if (notProcessed(error)) {
    // No connection was made, for example: the request has not reached the server.
    return { kind, maybeApplied: false };
  }
  switch (kind) {
    case "lost":
      return { kind, maybeApplied: true };
    case "throttled":
      // A proxy or gateway can also return UNAVAILABLE, before or after the server applied the request.
      return {
        kind,
        maybeApplied:
          error.code !== Code.ResourceExhausted || spoiledResponse.test(error.rawMessage),
      };
    case "fatal":
      return {
        kind,
        maybeApplied: error.code === Code.Canceled || spoiledResponse.test(error.rawMessage),
      };
    default:
      return { kind, maybeApplied: false };
  }
}

function kindOf(error: ConnectError, notFoundId: string): MeaningKind {
  const { code, id } = describeError(error);
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
    case Code.FailedPrecondition:
      return isGrantInactive(error) ? "inactive" : "rejected";
    case Code.InvalidArgument:
      // The list sent is never empty: an intermediary drops the body of a DELETE.
      return id === "COMMAND-5M0sd" ? "fatal" : "rejected";
    case Code.OutOfRange:
    case Code.AlreadyExists:
      return "rejected";
    case Code.ResourceExhausted:
      if (error.rawMessage.includes("readMaxBytes")) {
        // Raised by the client: the response was larger than the client accepts.
        return "lost";
      }
      // grpc-go's message for a request over its size limit; any other is a quota or a rate limit.
      return /message larger than max|writeMaxBytes/.test(error.rawMessage)
        ? "too-large"
        : "throttled";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return "throttled";
    case Code.Canceled:
      return error.rawMessage === "the client was closed" ? "fatal" : "lost";
    default:
      return "lost";
  }
}

/**
 * How long the server asks the client to wait, in milliseconds; undefined if it does not say. If the server
 * asks for no retry at all, a run continues at its own pace.
 */
export function retryAfterMs({ metadata }: ConnectError, nowEpochMs: number): number | undefined {
  const askedMs = readPushbackMs(metadata, nowEpochMs);
  return askedMs === Number.POSITIVE_INFINITY ? readRetryAfterMs(metadata, nowEpochMs) : askedMs;
}
