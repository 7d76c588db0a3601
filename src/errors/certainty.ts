import { Code, ConnectError } from "@connectrpc/connect";
import { findZitadelDetail } from "./zitadel-detail.js";

/** Registered, so that two installed copies of the package understand each other's errors. */
const mark: unique symbol = Symbol.for("zitadel-user-grants.mayHaveBeenApplied") as never;
const sentMark: unique symbol = Symbol.for("zitadel-user-grants.sent") as never;

/** What a call knows about its attempts when it fails. */
export interface Outcome {
  /** Whether an attempt was answered OK, or was sent and nothing that was received says that it was not applied. */
  readonly mayHaveBeenApplied: boolean;
  /** Whether any attempt was sent. */
  readonly sent: boolean;
}

type Marked = Error & { [mark]?: unknown; [sentMark]?: unknown };

/** The depth of nested causes that is searched. */
const maxDepth = 16;

/**
 * Whether a call that failed with this error may have been carried out: at least one of its attempts was sent,
 * and no response says that it was not applied.
 *
 * It is false when nothing was sent, and when every attempt was rejected: by a gRPC status of the server other
 * than `Unavailable`, `DeadlineExceeded`, `Canceled`, `Unknown`, `Internal`, `Aborted` and `DataLoss`; by HTTP
 * 401, 404, 405, 413, 414, 421, 429, 431 or a redirect of what stands in front of it; or by HTTP/2
 * (REFUSED_STREAM, GOAWAY). Every attempt of the call counts: its own retries, the one after a rejected token,
 * and those of interceptors. It covers what this client has sent, not what an intermediary repeats by itself.
 *
 * @param error anything that was caught, also one that has the call's error as `cause`.
 * @returns true as well for an error that is not of a call of this package, unless it has one of ZITADEL's
 * error ids and such a code.
 * @throws nothing, whatever it is given.
 * @example
 * ```ts
 * import { createManagementClient, mayHaveBeenApplied } from "zitadel-user-grants";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * try {
 *   await client.bulkRemoveUserGrant({ grantId: ["171727382938472938"] });
 * } catch (error) {
 *   console.error(mayHaveBeenApplied(error) ? "may have been removed" : "not removed", error);
 * }
 * ```
 */
export function mayHaveBeenApplied(error: unknown): boolean {
  try {
    const marked = find(error, mark);
    return typeof marked === "boolean" ? marked : !isDecidedByZitadel(error);
  } catch {
    // Thrown by other code: an object whose properties cannot be read.
    return true;
  }
}

/** Whether the call that failed with this error had sent anything; undefined if that is not known. */
export function wasSent(error: unknown): boolean | undefined {
  try {
    const sent = find(error, sentMark);
    return typeof sent === "boolean" ? sent : undefined;
  } catch {
    return undefined;
  }
}

function find(error: unknown, key: typeof mark | typeof sentMark): unknown {
  let current = error;
  for (
    let depth = 0;
    depth < maxDepth && typeof current === "object" && current !== null;
    depth++
  ) {
    const { [key]: value, cause } = current as Marked;
    if (value !== undefined) {
      return value;
    }
    current = cause;
  }
  return undefined;
}

/** An error of another package's transport, for which nothing else is known. */
function isDecidedByZitadel(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    decides(error.code) &&
    findZitadelDetail(error.details) !== undefined
  );
}

const openCodes: ReadonlySet<number> = new Set([
  Code.Canceled,
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

/** Whether a status with this code, sent by the server, says that the call was not applied. */
export function decides(code: Code): boolean {
  return !openCodes.has(code);
}

const decidingStatuses: ReadonlySet<number> = new Set([
  ...[301, 302, 303, 307, 308],
  ...[401, 404, 405, 413, 414, 421, 429, 431],
]);

/** Whether a response with this HTTP status comes from in front of the application, which got no request. */
export function decidesHttp(status: number): boolean {
  return decidingStatuses.has(status);
}

/**
 * The error of a call, with what the call knows about its attempts. What is once said of an error is never
 * lowered: an error that says something else already, since several calls share it, is wrapped, and so is one
 * that is frozen.
 */
export function withOutcome(error: ConnectError, outcome: Outcome): ConnectError {
  const { [mark]: before } = error as Marked;
  const isKept =
    before === undefined ? Object.isExtensible(error) : before === outcome.mayHaveBeenApplied;
  const target = isKept ? error : wrap(error);
  if (!isKept || before === undefined) {
    Object.defineProperties(target, {
      [mark]: { value: outcome.mayHaveBeenApplied, configurable: true },
      [sentMark]: { value: outcome.sent, configurable: true },
    });
  }
  return target;
}

function wrap(error: ConnectError): ConnectError {
  const { rawMessage, code, metadata, details } = error;
  const copy = new ConnectError(rawMessage, code, metadata, undefined, error);
  // Among them are those of a token source: `oauthError`.
  const added = Object.keys(error).filter((name) => !(name in copy));
  Object.assign(copy, Object.fromEntries(added.map((name) => [name, (error as never)[name]])));
  copy.details = details;
  copy.isWireError = error.isWireError;
  return copy;
}
