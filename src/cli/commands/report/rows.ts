import { type GrantInLog, type LogContent, loggedGrants, named } from "../../log/read.js";
import { reasonsOf } from "../../progress.js";

/** What a report has of a grant and, the same in each row, of its run, as far as the log tells. */
export const columns = [
  ...(["grantId", "userId", "displayName", "email", "userName"] as const),
  ...(["projectId", "projectName", "projectGrantId", "roleKeys", "stateBefore"] as const),
  // When that became known, why, and what ZITADEL showed after the run where that is not what the run was for.
  ...(["outcome", "at", "reason", "requestId", "effect"] as const),
  ...(["restored", "newGrantId", "restoredAt"] as const),
  ...(["command", "instance", "organization", "accounts", "started", "ended"] as const),
] as const;

export type ReportRow = ReturnType<typeof reportRows> extends AsyncGenerator<infer R> ? R : never;

/** Who ran what, where and when. */
export function factsOf({ head, sessions }: LogContent) {
  const runs = sessions.filter(({ what }) => what !== "restored");
  return {
    command: head.command,
    instance: head.url,
    organization: named(head.orgName, head.orgId),
    // Each account that has run it, once.
    accounts: [...new Set(runs.map(({ account }) => account))],
    started: runs[0]?.at,
    // Not known of a run that was killed, or is still running.
    ended: runs.at(-1)?.ended?.at,
  };
}

/** Each grant of a run, in the order of its list. */
export async function* reportRows(content: LogContent) {
  const facts = factsOf(content);
  const outcomeOf = outcomesIn(content);
  const others = content.effect?.effect.others ?? [];
  const shown = new Map(others.map(({ grantId, shows }) => [grantId, shows]));
  for await (const { recorded, ...logged } of loggedGrants(content.path)) {
    const grant = content.grants.get(logged.grantId);
    if (grant === undefined) {
      continue;
    }
    const { details, restored } = grant;
    yield {
      ...logged,
      projectId: recorded?.projectId,
      projectGrantId: recorded?.projectGrantId,
      roleKeys: recorded?.roleKeys ?? [],
      // A grant that was not read, or not found, must not look like one without a project and roles.
      stateBefore: recorded?.state ?? "not recorded",
      outcome: outcomeOf(grant),
      at: grant.at,
      reason: reasonsOf(details ?? {}).join("; "),
      requestId: details?.error?.requestId ?? grant.requestId,
      effect: grant.mayBeActive
        ? "a repair has not ended: it may be active"
        : shown.get(grant.grantId),
      restored: restored && [restored.restored, ...reasonsOf(restored)].join(": "),
      newGrantId: restored?.newGrantId,
      restoredAt: restored?.at,
      ...facts,
    };
  }
}

/** How many grants have each outcome, the most frequent first. */
export function outcomeCounts(content: LogContent): [outcome: string, count: number][] {
  const outcomeOf = outcomesIn(content);
  const counts = new Map<string, number>();
  for (const grant of content.grants.values()) {
    const then = grant.restored === undefined ? "" : `, then ${grant.restored.restored}`;
    const outcome = `${outcomeOf(grant)}${then}`;
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a);
}

function outcomesIn(content: LogContent): (grant: GrantInLog) => string {
  const inDoubt = content.inDoubt();
  return (grant) =>
    grant.status || (inDoubt.has(grant.grantId) ? "response lost" : "not asked for");
}
