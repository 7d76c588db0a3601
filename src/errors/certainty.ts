import { Code, ConnectError } from "@connectrpc/connect";
import { rewriteMessage } from "./mask.js";
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

type Marked = Error & { [mark]?: unknown; [sentMark]?: unknown; code?: unknown };

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
 * error ids and such a code; and for a `Canceled` of other code, whatever its `cause`: an abort may have the error
 * of another call as its reason.
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
    return find(error, mark) ?? !isDecidedByZitadel(error);
  } catch {
    // Thrown by other code: an object whose properties cannot be read.
    return true;
  }
}

/** Whether the call that failed with this error had sent anything; undefined if that is not known. */
export function wasSent(error: unknown): boolean | undefined {
  return find(error, sentMark);
}

function find(error: unknown, key: typeof mark | typeof sentMark): boolean | undefined {
  let current = error;
  for (
    let depth = 0;
    depth < maxDepth && typeof current === "object" && current !== null;
    depth++
  ) {
    const { [key]: value, cause, code } = current as Marked;
    if (typeof value === "boolean") {
      return value;
    }
    // The reason of an abort may be the error of another call, which says nothing about this one.
    current = code === Code.Canceled ? undefined : cause;
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

/** How it is known that an attempt was not applied; `unfit` was not sent for what its own message holds. */
export type Decision = "unsent" | "unfit" | "rejected";

const decisions = new WeakMap<object, Decision>();

/** Records in an attempt's error, which must be new, why the attempt was not applied. */
export function decided<E extends object>(error: E, decision: Decision): E {
  decisions.set(error, decision);
  return error;
}

/** Undefined for an attempt that may have been applied. */
export function decisionOf(error: unknown): Decision | undefined {
  return typeof error === "object" && error !== null ? decisions.get(error) : undefined;
}

/** The call that has marked an error. */
const owners = new WeakMap<ConnectError, object>();

/**
 * Marks an error of a call with what the call knows about its attempts. An error that another call has marked
 * otherwise, since several share it, is wrapped, and so is one that is frozen. A mark is never lowered: where less
 * is in doubt by now, the error is wrapped.
 *
 * @param owner the call.
 */
export function withOutcome(
  error: ConnectError,
  outcome: Outcome,
  owner: object = {},
): ConnectError {
  const { [mark]: before } = error as Marked;
  const isOwn = owners.get(error) === owner;
  if (before === outcome.mayHaveBeenApplied || (before === true && !isOwn)) {
    return error;
  }
  const mayChange = before === undefined ? Object.isExtensible(error) : isOwn && before === false;
  const target = mayChange ? error : wrap(error);
  owners.set(target, owner);
  return Object.defineProperties(target, {
    [mark]: { value: outcome.mayHaveBeenApplied, configurable: true },
    [sentMark]: { value: outcome.sent, configurable: true },
  });
}

/**
 * The error that a call ends with: marked, and its message says what that means for the call.
 *
 * @param isForeign whether it is of other code, and its text stays as it is.
 */
export function finalError(
  error: ConnectError,
  outcome: Outcome,
  owner: object,
  isForeign = false,
): ConnectError {
  const marked = withOutcome(error, outcome, owner);
  const { mayHaveBeenApplied, sent } = outcome;
  // What the server says stays as it is, unless it speaks of another attempt than the one in doubt.
  const isComplete = error.isWireError && !(mayHaveBeenApplied && decisionOf(error) !== undefined);
  if (isForeign || isComplete || owners.get(marked) !== owner) {
    return marked;
  }
  const consequence = mayHaveBeenApplied
    ? "the call may have been carried out"
    : sent
      ? "the call was not carried out"
      : "nothing was sent";
  return rewriteMessage(marked, `${marked.rawMessage.replace(/\.$/, "")}; ${consequence}`);
}

/** The final error of a call that was rejected before anything was sent. */
export function neverSent(reason: unknown): ConnectError {
  return finalError(asConnectError(reason), { mayHaveBeenApplied: false, sent: false }, {});
}

/** Adds the properties that another error has beyond those of every `ConnectError`: `oauthError`. */
export function withExtras(error: ConnectError, { ...extras }: object): ConnectError {
  const added = Object.entries(extras).filter(([name]) => !(name in error));
  return Object.assign(error, Object.fromEntries(added));
}

/** An error with a cause, which Connect's constructor takes last. */
export function causedBy(cause: unknown, message: string, code: Code): ConnectError {
  return new ConnectError(message, code, undefined, undefined, cause);
}

/** Anything that was thrown as an error that can be changed: a frozen one is wrapped. */
export function asConnectError(reason: unknown): ConnectError {
  try {
    const error = ConnectError.from(reason);
    return Object.isExtensible(error) ? error : wrap(error);
  } catch {
    return unreadable();
  }
}

/** For a value of other code of which not even the text can be read. */
export function unreadable(): ConnectError {
  return new ConnectError("a value without a readable message was thrown", Code.Unknown);
}

function wrap(error: ConnectError): ConnectError {
  const { rawMessage, code, metadata, details } = error;
  const copy = withExtras(new ConnectError(rawMessage, code, metadata, undefined, error), error);
  copy.details = details;
  copy.isWireError = error.isWireError;
  // Over JSON, details are read in another way.
  const own = Object.getOwnPropertyDescriptor(error, "findDetails");
  return own === undefined ? copy : Object.defineProperty(copy, "findDetails", own);
}
