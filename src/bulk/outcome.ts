import type { ConnectError } from "@connectrpc/connect";

/** The outcome of one grant in a bulk run. */
export interface Outcome<Status extends string> {
  readonly grantId: string;
  readonly status: Status;
  /** Why the grant is not confirmed; only with `failed`. */
  readonly error?: ConnectError;
  /**
   * A request that held this grant was sent, its response was lost, and no later response proves that the
   * server did not apply it: this run may have changed the grant.
   */
  readonly answerLost?: true;
}

/**
 * - `removed`: the response to a request that held this grant was OK. Nothing else is `removed`.
 * - `not-found`: the response to a request for this grant alone was that it does not exist: it is gone, it
 *   never existed, or the organization is the wrong one, which looks the same. With `answerLost` this run may
 *   have removed it.
 * - `failed`: not confirmed; `error` has the reason. With `answerLost` it may have been removed all the same.
 */
export type RemoveStatus = "removed" | "not-found" | "failed";
/** What `removeUserGrants` yields. */
export type RemoveOutcome = Outcome<RemoveStatus>;

/**
 * - `deactivated`: the server responded with OK; the grant is inactive now. ZITADEL v4 and later respond with OK for
 *   a grant that was inactive before, too.
 * - `already-inactive`: the server reported that it was inactive before, as ZITADEL before v4 does. With
 *   `answerLost` this run may have deactivated it.
 * - `not-found`: there is no such grant in this organization.
 * - `failed`: not confirmed; `error` has the reason. With `answerLost` it may be inactive all the same.
 */
export type DeactivateStatus = "deactivated" | "already-inactive" | "not-found" | "failed";
/** What `deactivateUserGrants` yields. */
export type DeactivateOutcome = Outcome<DeactivateStatus>;
