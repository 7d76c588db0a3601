import type { LoggedGrant, RecordedState } from "../../log/entry.js";
import { type GrantInLog, type LogContent, loggedGrants } from "../../log/read.js";
import { Overview } from "../revoke/overview.js";

/** What to do for a grant. */
export interface RestoreTask {
  readonly grant: GrantInLog;
  readonly userId: string;
  readonly recorded: RecordedState;
  /** Its state before the run. */
  readonly state: "active" | "inactive";
  readonly action: "add" | "reactivate";
}

export interface RestorePlan {
  /** People, projects and roles of what is restored. */
  readonly overview: Overview;
  /** For which grants nothing is done, by the reason. */
  readonly skipped: ReadonlyMap<string, readonly string[]>;
  /** Those of them that the run may have changed, but that cannot be restored. */
  readonly lost: readonly string[];
}

const notRecorded = "its state before the run is not recorded";

/** What a restore of a run has to do: never more than was recorded before the run. */
export async function restorePlan(content: LogContent): Promise<RestorePlan> {
  const skipped = new Map<string, string[]>();
  const overview = new Overview();
  for await (const { logged, task } of restoreTasks(content)) {
    if (typeof task === "string") {
      const ids = skipped.get(task) ?? [];
      ids.push(logged.grantId);
      skipped.set(task, ids);
    } else {
      overview.add(logged);
    }
  }
  return { overview, skipped, lost: skipped.get(notRecorded) ?? [] };
}

/** What to do for each grant of the log, or why nothing is done. In its order: there may be a million. */
export async function* restoreTasks(content: LogContent): AsyncGenerator<{
  readonly logged: LoggedGrant;
  readonly task: RestoreTask | string;
}> {
  const inDoubt = content.inDoubt();
  for await (const logged of loggedGrants(content.path)) {
    yield { logged, task: taskOf(logged, content, inDoubt) };
  }
}

function taskOf(
  { grantId, userId, recorded }: LoggedGrant,
  content: LogContent,
  inDoubt: ReadonlySet<string>,
): RestoreTask | string {
  const grant = content.grants.get(grantId);
  const before = grant?.restored?.restored;
  if (before !== undefined && before !== "failed" && before !== "left-active") {
    return "it is restored already";
  }
  if (grant === undefined || !mayHaveChanged(grant, inDoubt)) {
    return "the run did not change it";
  }
  if (recorded === undefined || recorded.state === "unknown" || !userId) {
    return notRecorded;
  }
  const { state } = recorded;
  const action = content.head.command === "remove" ? "add" : "reactivate";
  return action === "reactivate" && state === "inactive"
    ? "it was inactive before"
    : { grant, userId, recorded, state, action };
}

/** Whether the run has changed it, or it was in a request whose response was lost, and no outcome decides it. */
function mayHaveChanged(grant: GrantInLog, inDoubt: ReadonlySet<string>): boolean {
  const { status, details } = grant;
  return (
    status === "removed" ||
    status === "deactivated" ||
    details?.answerLost === true ||
    (status === "" && inDoubt.has(grant.grantId))
  );
}
