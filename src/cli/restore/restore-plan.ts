import { type LogContent, loggedGrants } from "../log/content.js";
import type { RecordedState } from "../log/entry.js";

/** What to do for a grant. */
export interface RestoreTask {
  readonly index: number;
  readonly grantId: string;
  readonly userId: string;
  readonly recorded: RecordedState;
  /** Its state before the run. */
  readonly state: "active" | "inactive";
  readonly action: "add" | "reactivate";
}

/** Why nothing is done for a grant. */
export type SkipReason =
  | "the run did not change it"
  | "it was inactive before"
  | "its state before the run is not recorded"
  | "its user is not recorded"
  | "it is restored already";

export interface RestorePlan {
  readonly tasks: readonly RestoreTask[];
  readonly skipped: ReadonlyMap<SkipReason, number>;
  /** Grants that the run may have changed, but that cannot be restored. */
  readonly lost: readonly string[];
}

/** What a restore of a run has to do: never more than was recorded before the run. */
export function restorePlan(content: LogContent): RestorePlan {
  const changed = mayHaveChanged(content);
  const tasks: RestoreTask[] = [];
  const skipped = new Map<SkipReason, number>();
  const lost: string[] = [];
  const skip = (reason: SkipReason) => skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
  for (const { grantId, userId, recorded } of loggedGrants(content.path)) {
    const index = content.grants.indexOf(grantId);
    const before = content.restore.outcome(index)?.restored;
    if (before !== undefined && before !== "failed" && before !== "left-active") {
      skip("it is restored already");
    } else if (changed[index] !== 1) {
      skip("the run did not change it");
    } else if (recorded === undefined || recorded.state === "unknown") {
      skip("its state before the run is not recorded");
      lost.push(grantId);
    } else if (userId === undefined || userId === "") {
      skip("its user is not recorded");
      lost.push(grantId);
    } else if (content.head.command === "remove") {
      tasks.push({ index, grantId, userId, recorded, state: recorded.state, action: "add" });
    } else if (recorded.state === "inactive") {
      skip("it was inactive before");
    } else {
      tasks.push({ index, grantId, userId, recorded, state: "active", action: "reactivate" });
    }
  }
  return { tasks, skipped, lost };
}

/** Grants that the run has changed, or that were in a request whose response was lost. */
function mayHaveChanged(content: LogContent): Uint8Array {
  const changed = new Uint8Array(content.grants.size);
  for (let index = 0; index < changed.length; index++) {
    const isDone = ["removed", "deactivated"].includes(content.states.status(index));
    const isLost = content.states.details(index).answerLost === true;
    changed[index] = isDone || isLost || content.states.confirmed(index) ? 1 : 0;
  }
  for (const request of content.unanswered()) {
    for (const index of request) {
      // A later outcome decides.
      if (content.states.status(index) === "") {
        changed[index] = 1;
      }
    }
  }
  return changed;
}
