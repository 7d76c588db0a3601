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
  /** People, projects and roles of what is restored. */
  readonly overview: Overview;
  /** Reads them from the log, in its order: there may be a million. */
  readonly tasks: () => AsyncIterable<RestoreTask>;
  readonly skipped: ReadonlyMap<SkipReason, number>;
  /** Grants that the run may have changed, but that cannot be restored. */
  readonly lost: readonly string[];
}

/** What a restore of a run has to do: never more than was recorded before the run. */
export async function restorePlan(content: LogContent): Promise<RestorePlan> {
  const changed = mayHaveChanged(content);
  const skipped = new Map<SkipReason, number>();
  const lost: string[] = [];
  const users = new Set<string>();
  const overview = new Overview();
  let count = 0;
  let added = 0;
  let inactive = 0;
  for await (const logged of loggedGrants(content.path, "restore")) {
    const task = taskOf(logged, content, changed);
    if (typeof task === "string") {
      skipped.set(task, (skipped.get(task) ?? 0) + 1);
      if (notRecorded.includes(task)) {
        lost.push(logged.grantId);
      }
      continue;
    }
    count += 1;
    overview.add(logged);
    if (task.action === "add") {
      added += 1;
      inactive += task.state === "inactive" ? 1 : 0;
      users.add(task.userId);
    }
  }
  return {
    ...{ count, overview, skipped, lost },
    added: { count: added, users: users.size, inactive },
    async *tasks() {
      for await (const logged of loggedGrants(content.path, "restore")) {
        const task = taskOf(logged, content, changed);
        if (typeof task !== "string") {
          yield task;
        }
      }
    },
  };
}

function taskOf(
  { grantId, userId, recorded }: LoggedGrant,
  content: LogContent,
  changed: ReadonlySet<GrantInLog>,
): RestoreTask | SkipReason {
  const grant = content.find(grantId);
  const before = grant?.restored?.restored;
  if (before !== undefined && before !== "failed" && before !== "left-active") {
    return "it is restored already";
  }
  if (grant === undefined || !changed.has(grant)) {
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
    return { grant, userId, recorded, state, action: "add" };
  }
  return state === "inactive"
    ? "it was inactive before"
    : { grant, userId, recorded, state, action: "reactivate" };
}

/** Grants that the run has changed, or that were in a request whose response was lost. */
function mayHaveChanged(content: LogContent): ReadonlySet<GrantInLog> {
  const changed = new Set(
    content.grants.filter(
      ({ status, details, confirmed }) =>
        status === "removed" || status === "deactivated" || details?.answerLost || confirmed,
    ),
  );
  for (const request of content.withoutResponse()) {
    for (const grant of request) {
      // A later outcome decides.
      if (grant.status === "") {
        changed.add(grant);
      }
    }
  }
  return changed;
}
