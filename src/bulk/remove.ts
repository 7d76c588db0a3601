import type { Client } from "@connectrpc/connect";
import type { ManagementService } from "../../gen/zitadel/management_pb.js";
import { type Environment, platform } from "../common/time.js";
import { errorIds } from "../errors/describe.js";
import { checkOptions } from "../options/checker.js";
import type { InDoubt } from "./ledger.js";
import {
  checkInput,
  grantIdProblem,
  type RemoveUserGrantsOptions,
  removeChecks,
} from "./options.js";
import type { RemoveOutcome, RemoveStatus } from "./outcome.js";
import type { Grant, Reading } from "./pool.js";
import { type BulkRun, startRun } from "./run.js";

/**
 * Removes user grants, and yields one outcome for each distinct id, as they come.
 *
 * **Awaiting what it returns does nothing, and removes nothing**: iterate over it, or call its `summary()`.
 *
 * ZITADEL removes all grants of a request or none, and does not report which grant caused the failure. So
 * a request that fails for an unknown grant, or for one of a project that the caller does not manage, is
 * split until that grant is isolated, and the others are removed: at most 15 requests for 1 in 100. The
 * sizes of further requests follow the share of such grants that the run has seen.
 *
 * A value that is not a valid id (not a string, empty, surrounded by white space, with an invisible character) is
 * `failed` with `InvalidArgument`, and not sent.
 *
 * Throttled requests, and those whose response is lost, are retried; the client's own retry is switched off
 * for them. A batch whose response is lost more than once is split, until a grant that causes it is isolated.
 *
 * Leaving the loop (`break`) sends no further request and waits for those in flight; `onOutcome` sees their
 * outcomes.
 *
 * While it is iterated, and after every id that was read has had its outcome, it throws
 * - `Unauthenticated`, `PermissionDenied`, `NotFound`, `Unimplemented` when no request can succeed: the
 *   token, the permission, the organization or the host name is wrong;
 * - `Unavailable` or `InvalidArgument` at once when no retry mends the failure: an invalid certificate, an
 *   unknown host, a proxy setting that cannot be used, a server without HTTP/2;
 * - the last error when the server has accepted nothing for `giveUpMs`;
 * - `Canceled` after an abort of `signal`, with its reason as cause, and when the client was closed;
 * - what the source or `onOutcome` throws; a `RangeError` beyond 16,777,216 ids without `distinct`.
 *
 * @param client of any transport.
 * @param grantIds any `Iterable` or `AsyncIterable`, read no faster than requests go out; its `return()` is
 * called when the run stops.
 * @param options defaults: at most 100 grants in a request, 4 requests in flight.
 * @returns an async iterator of outcomes, with `summary()`.
 * @throws TypeError at once, for options that are not allowed, for ids that cannot be iterated, and for a
 * client that is not one.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { removeUserGrants } from "zitadel-user-grants/bulk";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * const grantIds = ["171727382938472938", "171727382938472939"];
 * for await (const { grantId, status, error } of removeUserGrants(client, grantIds)) {
 *   console.log(grantId, status, error?.message ?? "");
 * }
 * ```
 */
export function removeUserGrants(
  client: Client<typeof ManagementService>,
  grantIds: Iterable<string> | AsyncIterable<string>,
  options: RemoveUserGrantsOptions = {},
): BulkRun<RemoveOutcome> {
  return removeUserGrantsIn(platform, client, grantIds, options);
}

/**
 * The same with an environment supplied by the caller.
 *
 * @param inDoubt grants that requests of an earlier run held whose responses were lost.
 */
export function removeUserGrantsIn(
  environment: Environment,
  client: Client<typeof ManagementService>,
  grantIds: Iterable<string> | AsyncIterable<string>,
  options: RemoveUserGrantsOptions,
  inDoubt?: InDoubt,
): BulkRun<RemoveOutcome> {
  checkInput(client, "bulkRemoveUserGrant", grantIds, "grantIds");
  const checked = checkOptions(options, removeChecks);
  return startRun<Grant, RemoveStatus>({
    values: grantIds,
    options: checked,
    environment,
    concurrency: checked.concurrency ?? 4,
    batchSize: checked.batchSize ?? 100,
    statuses: ["removed", "not-found", "failed"],
    notFoundId: errorIds.removedNotFound,
    read: readGrantId,
    send: (group, callOptions) =>
      client.bulkRemoveUserGrant({ grantId: group.map(({ grantId }) => grantId) }, callOptions),
    doneStatus: "removed",
    statusOf: { "not-found": "not-found" },
    inDoubt,
  });
}

function readGrantId(value: unknown): Reading<Grant> {
  const problem = grantIdProblem(value);
  return problem === undefined
    ? { grant: { grantId: value as string } }
    : { id: value, problem: `grant id is ${problem}` };
}
