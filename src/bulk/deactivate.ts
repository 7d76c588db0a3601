import type { Client } from "@connectrpc/connect";
import type { ManagementService } from "../../gen/zitadel/management_pb.js";
import { type Environment, platform } from "../common/time.js";
import { errorIds } from "../errors/describe.js";
import { checkOptions } from "../options/checker.js";
import type { InDoubt } from "./ledger.js";
import {
  checkInput,
  type DeactivateUserGrantsOptions,
  deactivateChecks,
  grantIdProblem,
} from "./options.js";
import type { DeactivateOutcome, DeactivateStatus } from "./outcome.js";
import type { Reading } from "./pool.js";
import { type BulkRun, startRun } from "./run.js";

/** A grant to deactivate. */
export interface UserGrant {
  readonly userId: string;
  readonly grantId: string;
}

/**
 * Deactivates user grants with one call for each, one after the other, and yields one outcome for each
 * distinct grant, as they come.
 *
 * **Awaiting what it returns does nothing**: iterate over it, or call its `summary()`. In everything else it
 * behaves as `removeUserGrants` does, and throws the same.
 *
 * ZITADEL v4 and later respond with OK for a grant that was inactive before: the outcome is `deactivated`.
 * Earlier versions report an error: `already-inactive`.
 *
 * @param client of any transport.
 * @param grants read no faster than calls go out. ZITADEL requires the user's id and does not compare it
 * with the grant.
 * @param options default: 1 call in flight; `concurrency` says why.
 * @returns an async iterator of outcomes, with `summary()`.
 * @throws TypeError at once, for options that are not allowed, for grants that cannot be iterated, and for a
 * client that is not one.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { deactivateUserGrants } from "zitadel-user-grants/bulk";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * const grants = [{ userId: "170848145649959169", grantId: "171727382938472938" }];
 * const { counts, failures } = await deactivateUserGrants(client, grants).summary();
 * console.log(counts, failures);
 * ```
 */
export function deactivateUserGrants(
  client: Client<typeof ManagementService>,
  grants: Iterable<UserGrant> | AsyncIterable<UserGrant>,
  options: DeactivateUserGrantsOptions = {},
): BulkRun<DeactivateOutcome> {
  return deactivateUserGrantsIn(platform, client, grants, options);
}

/**
 * The same with an environment supplied by the caller.
 *
 * @param inDoubt grants that requests of an earlier run held whose responses were lost.
 */
export function deactivateUserGrantsIn(
  environment: Environment,
  client: Client<typeof ManagementService>,
  grants: Iterable<UserGrant> | AsyncIterable<UserGrant>,
  options: DeactivateUserGrantsOptions,
  inDoubt?: InDoubt,
): BulkRun<DeactivateOutcome> {
  checkInput(client, "deactivateUserGrant", grants, "grants");
  const checked = checkOptions(options, deactivateChecks);
  return startRun<UserGrant, DeactivateStatus>({
    values: grants,
    options: checked,
    environment,
    concurrency: checked.concurrency ?? 1,
    batchSize: 1,
    statuses: ["deactivated", "already-inactive", "not-found", "failed"],
    notFoundId: errorIds.deactivatedNotFound,
    read: readUserGrant,
    send: ([grant], callOptions) => client.deactivateUserGrant(grant ?? {}, callOptions),
    doneStatus: "deactivated",
    statusOf: { "not-found": "not-found", inactive: "already-inactive" },
    inDoubt,
  });
}

function readUserGrant(value: unknown): Reading<UserGrant> {
  if (typeof value !== "object" || value === null) {
    return { id: value, problem: "a grant must be an object with userId and grantId" };
  }
  const { userId, grantId } = value as Record<string, unknown>;
  for (const [name, id] of Object.entries({ grantId, userId })) {
    const problem = grantIdProblem(id);
    if (problem !== undefined) {
      return { id: grantId, problem: `${name} is ${problem}` };
    }
  }
  return { grant: { userId: userId as string, grantId: grantId as string } };
}
