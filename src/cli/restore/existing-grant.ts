import { type Environment, sleep } from "../../common/environment.js";
import type { GrantRecord } from "../grant-record.js";
import type { Lookup } from "../lookup.js";
import type { RestoreTask } from "./restore-plan.js";

/** How long to search for a grant that must exist: searches are eventually consistent. */
const lagMs = 10_000;
const firstPauseMs = 250;

export interface ExistingGrants {
  /** The one with the roles and the project grant of the removed one. */
  readonly exact: GrantRecord | undefined;
  readonly others: readonly GrantRecord[];
}

/**
 * The grants of a user in one project, when the server has reported that there is one. It can be the one that
 * was to be removed: a removal whose response was lost may not have been applied. Others are searched for,
 * for up to 10 s.
 */
export async function existingGrants(
  { grantId, userId, recorded }: RestoreTask,
  lookup: Lookup,
  environment: Environment,
  signal: AbortSignal,
): Promise<ExistingGrants> {
  // Unlike a search, this is up to date.
  const original = await lookup.getGrant(userId, grantId);
  if (original !== undefined) {
    return sorted([original], recorded);
  }
  const { projectId } = recorded;
  const queries = [{ userIdQuery: { userId } }, { projectIdQuery: { projectId } }];
  const deadlineMs = environment.monotonicMs() + lagMs;
  for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
    const page = await lookup.searchGrants(queries, { offset: 0, limit: 100 });
    // The removed grant may still be listed, and a grant of the same project through another project grant is
    // not the one that the server means.
    const records = page.records.filter((record) => record.grantId !== grantId);
    const found = sorted(records, recorded);
    const leftMs = deadlineMs - environment.monotonicMs();
    if (records.some((record) => sameGrantOf(record, recorded)) || leftMs <= 0 || signal.aborted) {
      return found;
    }
    await sleep(environment, Math.min(pauseMs, leftMs), signal);
  }
}

function sorted(
  records: readonly GrantRecord[],
  recorded: RestoreTask["recorded"],
): ExistingGrants {
  const exact = records.find((record) => isSame(record, recorded));
  return { exact, others: records.filter((record) => record !== exact) };
}

function isSame(record: GrantRecord, recorded: RestoreTask["recorded"]): boolean {
  const sorted = (roles: readonly string[]) => JSON.stringify(roles.toSorted());
  return sameGrantOf(record, recorded) && sorted(record.roleKeys) === sorted(recorded.roleKeys);
}

/** ZITADEL allows one grant for each user, project and project grant. */
function sameGrantOf(record: GrantRecord, recorded: RestoreTask["recorded"]): boolean {
  return (record.projectGrantId ?? "") === (recorded.projectGrantId ?? "");
}
