import { type Environment, sleep } from "../../common/environment.js";
import type { GrantRecord } from "../grant-record.js";
import type { Lookup } from "../lookup.js";
import type { RestoreTask } from "./restore-plan.js";

/** How long a grant that must be there is searched for: searches lag behind. */
const lagMs = 10_000;
const firstPauseMs = 250;

/**
 * The grants of a user of one project: the one with the roles and the project grant of the removed one,
 * and others. Looks for up to 10 s, as the server has said that there is one.
 */
export async function existingGrant(
  { grantId, userId, recorded }: RestoreTask,
  lookup: Lookup,
  environment: Environment,
  signal: AbortSignal,
): Promise<{ readonly exact: GrantRecord | undefined; readonly others: readonly GrantRecord[] }> {
  const { projectId } = recorded;
  const queries = [{ userIdQuery: { userId } }, { projectIdQuery: { projectId } }];
  const deadlineMs = environment.monotonicMs() + lagMs;
  for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
    const page = await lookup.searchGrants(queries, { offset: 0, limit: 100 });
    // The removed grant itself may still show.
    const records = page.records.filter((record) => record.grantId !== grantId);
    const leftMs = deadlineMs - environment.monotonicMs();
    if (records.length > 0 || leftMs <= 0 || signal.aborted) {
      const exact = records.find((record) => isSame(record, recorded));
      return { exact, others: records.filter((record) => record !== exact) };
    }
    await sleep(environment, Math.min(pauseMs, leftMs), signal);
  }
}

function isSame(record: GrantRecord, recorded: RestoreTask["recorded"]): boolean {
  const sorted = (roles: readonly string[]) => JSON.stringify(roles.toSorted());
  return (
    (record.projectGrantId ?? "") === (recorded.projectGrantId ?? "") &&
    sorted(record.roleKeys) === sorted(recorded.roleKeys)
  );
}
