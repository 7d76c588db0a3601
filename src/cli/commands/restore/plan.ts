import type { LoggedGrant, RecordedState } from "../../log/entry.js";
import { type LogContent, loggedGrants } from "../../log/read.js";

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

const notRecorded: readonly SkipReason[] = [
  "its state before the run is not recorded",
  "its user is not recorded",
];

export interface RestorePlan {
  readonly count: number;
  /** How many of them are to be added again, of how many users, and how many of these were inactive. */
  readonly added: { readonly count: number; readonly users: number; readonly inactive: number };
  /** Reads them from the log, in its order: there may be a million. */
  readonly tasks: () => Iterable<RestoreTask>;
  readonly skipped: ReadonlyMap<SkipReason, number>;
  /** Grants that the run may have changed, but that cannot be restored. */
  readonly lost: readonly string[];
}

/** What a restore of a run has to do: never more than was recorded before the run. */
export function restorePlan(content: LogContent): RestorePlan {
  const changed = mayHaveChanged(content);
  const skipped = new Map<SkipReason, number>();
  const lost: string[] = [];
  const users = new Set<string>();
  let count = 0;
  let added = 0;
  let inactive = 0;
  for (const grant of loggedGrants(content.path)) {
    const task = taskOf(grant, content, changed);
    if (typeof task === "string") {
      skipped.set(task, (skipped.get(task) ?? 0) + 1);
      if (notRecorded.includes(task)) {
        lost.push(grant.grantId);
      }
      continue;
    }
    count += 1;
    if (task.action === "add") {
      added += 1;
      inactive += task.state === "inactive" ? 1 : 0;
      users.add(task.userId);
    }
  }
  return {
    count,
    added: { count: added, users: users.size, inactive },
    *tasks() {
      for (const grant of loggedGrants(content.path)) {
        const task = taskOf(grant, content, changed);
        if (typeof task !== "string") {
          yield task;
        }
      }
    },
    skipped,
    lost,
  };
}

function taskOf(
  { grantId, userId, recorded }: LoggedGrant,
  content: LogContent,
  changed: Uint8Array,
): RestoreTask | SkipReason {
  const index = content.grants.indexOf(grantId);
  const before = content.restore.outcome(index)?.restored;
  if (before !== undefined && before !== "failed" && before !== "left-active") {
    return "it is restored already";
  }
  if (changed[index] !== 1) {
    return "the run did not change it";
  }
  if (recorded === undefined || recorded.state === "unknown") {
    return "its state before the run is not recorded";
  }
  if (userId === undefined || userId === "") {
    return "its user is not recorded";
  }
  const { state } = recorded;
  if (content.head.command === "remove") {
    return { index, grantId, userId, recorded, state, action: "add" };
  }
  return state === "inactive"
    ? "it was inactive before"
    : { index, grantId, userId, recorded, state, action: "reactivate" };
}

/** Grants that the run has changed, or that were in a request whose response was lost. */
function mayHaveChanged(content: LogContent): Uint8Array {
  const changed = new Uint8Array(content.grants.size);
  for (let index = 0; index < changed.length; index++) {
    const isDone = ["removed", "deactivated"].includes(content.states.status(index));
    const isLost = content.states.details(index).answerLost === true;
    changed[index] = isDone || isLost || content.states.confirmed(index) ? 1 : 0;
  }
  for (const request of content.withoutResponse()) {
    for (const index of request) {
      // A later outcome decides.
      if (content.states.status(index) === "") {
        changed[index] = 1;
      }
    }
  }
  return changed;
}
