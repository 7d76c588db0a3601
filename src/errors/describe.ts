import { type Code, ConnectError } from "@connectrpc/connect";
import { mayHaveBeenApplied, unreadable } from "./certainty.js";
import { findZitadelDetail } from "./zitadel-detail.js";

/** The ids of ZITADEL's errors that decide something. */
export const errorIds = {
  /** Of a deactivation: no such grant. */
  deactivatedNotFound: "COMMAND-3M9sd",
  /** Of a removal: one of the grants does not exist. */
  removedNotFound: "COMMAND-1My0t",
  inactive: "COMMAND-1S9gx",
  otherProject: "EVENT-Shu7e",
  /** The list of ids did not arrive: something in between drops the body of a DELETE. */
  emptyRequest: "COMMAND-5M0sd",
  invalidToken: "AUTH-7fs1e",
} as const;

/** The description of a call's error. */
export interface ErrorDescription {
  /** The gRPC status code; `Unknown` for anything that is not an error of a call. */
  code: Code;
  /**
   * ZITADEL's error id, the same in every language ("COMMAND-3M9sd"); undefined if there is none in the
   * error.
   */
  id: string | undefined;
  /** For display, in the language of the request's `accept-language`. Never branch on it. */
  message: string;
  /** ZITADEL's id of the request, for its support; undefined if there is none in the error. */
  requestId: string | undefined;
  /** Whether the call may have been carried out all the same: see `mayHaveBeenApplied`. */
  mayHaveBeenApplied: boolean;
}

/**
 * Describes an error of a call: its code, ZITADEL's error id, the message, and the id of the request.
 *
 * Details are `zitadel.v1.ErrorDetail` (proto/zitadel/message.proto), and `zitadel.error.v2.ErrorDetail`
 * of newer endpoints, whose `slug` is the id. Details of other types, and those that do not decode, are
 * ignored.
 *
 * @param error anything that was caught.
 * @returns a description; `code` is `Unknown` for what is not an error of a call.
 * @throws nothing, whatever it is given.
 * @example
 * ```ts
 * import { createManagementClient, describeError } from "zitadel-user-grants";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * try {
 *   await client.bulkRemoveUserGrant({ grantId: ["171727382938472938"] });
 * } catch (error) {
 *   const { code, id, message, requestId } = describeError(error);
 *   console.error(code, id, message, requestId);
 * }
 * ```
 */
export function describeError(error: unknown): ErrorDescription {
  try {
    const { code, rawMessage, metadata, details } = ConnectError.from(error);
    const detail = findZitadelDetail(
      details.filter((detail) => typeof detail === "object" && detail !== null),
    );
    const message = detail?.message || rawMessage;
    return {
      code,
      id: detail?.id,
      // ZITADEL's own text ("Errors.Token.Invalid") does not help the reader.
      message: detail?.id === errorIds.invalidToken ? `${message}: ${invalidTokenHint}` : message,
      requestId: metadata.get("x-request-id") ?? undefined,
      mayHaveBeenApplied: mayHaveBeenApplied(error),
    };
  } catch {
    // An object that cannot be converted to a string, or whose properties cannot be read.
    return describeError(unreadable());
  }
}

const invalidTokenHint =
  "the token is unknown or has expired, or it was issued without the scope urn:zitadel:iam:org:project:id:zitadel:aud";

/**
 * Whether the server says that the grant does not exist: it never did, it has been removed, or it belongs
 * to another organization than the call's. Decided by the error id (COMMAND-3M9sd, COMMAND-1My0t).
 *
 * @param error anything that was caught.
 * @returns false for the other errors with the code `NotFound`: the caller has no membership (AUTHZ-cdgFk),
 * or the host name is wrong (no id).
 * @throws nothing, whatever it is given.
 * @example
 * ```ts
 * import { createManagementClient, isGrantNotFound } from "zitadel-user-grants";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * await client.bulkRemoveUserGrant({ grantId: ["171727382938472938"] }).catch((error) => {
 *   if (!isGrantNotFound(error)) throw error;
 * });
 * ```
 */
export function isGrantNotFound(error: unknown): boolean {
  return hasId(error, errorIds.deactivatedNotFound, errorIds.removedNotFound);
}

/**
 * Whether the server rejected a deactivation because the grant is already inactive. Decided by the error
 * id (COMMAND-1S9gx). ZITADEL before v4 does so; v4 and later respond with OK.
 *
 * @param error anything that was caught.
 * @returns true for that error alone.
 * @throws nothing, whatever it is given.
 * @example
 * ```ts
 * import { createManagementClient, isGrantInactive } from "zitadel-user-grants";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * const grant = { userId: "170848145649959169", grantId: "171727382938472938" };
 * await client.deactivateUserGrant(grant).catch((error) => {
 *   if (!isGrantInactive(error)) throw error;
 * });
 * ```
 */
export function isGrantInactive(error: unknown): boolean {
  return hasId(error, errorIds.inactive);
}

function hasId(error: unknown, ...ids: readonly string[]): boolean {
  const { id } = describeError(error);
  return id !== undefined && ids.includes(id);
}
