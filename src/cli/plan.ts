import { LostAnswers } from "../bulk/lost-answers.js";
import type { Connection } from "./connection.js";
import type { InputGrant } from "./input.js";
import { UsageError } from "./io.js";
import type { LogContent, LoggedOutcome, LogHead } from "./log.js";

/** Which grants there are, and which of them are left to ask for. */
export interface Plan {
  readonly total: number;
  readonly open: readonly InputGrant[];
  /** Those of them that the log does not know. */
  readonly added: readonly InputGrant[];
  /** What earlier runs have decided. */
  readonly decided: readonly LoggedOutcome[];
  /** Done by an earlier run that did not come to write it. */
  readonly doneUnwritten: readonly string[];
  readonly lost: LostAnswers;
}

/** Leaves out what an earlier run has decided. */
export function makePlan(input: readonly InputGrant[], earlier: LogContent | undefined): Plan {
  const lost = new LostAnswers();
  if (earlier === undefined) {
    return { total: input.length, open: input, added: [], decided: [], doneUnwritten: [], lost };
  }
  for (const ids of earlier.unanswered) {
    lost.lost(ids);
  }
  for (const ids of earlier.confirmed) {
    lost.found(ids);
  }
  const known = new Set(earlier.grants.map(({ grantId }) => grantId));
  const added = input.filter(({ grantId }) => !known.has(grantId));
  const all = [...earlier.grants, ...added];
  // A failure is no decision: what was in the way may be gone.
  const decided = [...earlier.outcomes.values()].filter(({ status }) => status !== "failed");
  const settled = new Set([...decided.map(({ grantId }) => grantId), ...earlier.doneUnwritten]);
  // Those in doubt first, as they were asked for: each that is still there clears its neighbours.
  const inDoubt = new Set(earlier.unanswered.flat());
  const left = all.filter(({ grantId }) => !settled.has(grantId));
  const byId = new Map(left.map((grant) => [grant.grantId, grant]));
  const open = [
    ...[...inDoubt].flatMap((id) => byId.get(id) ?? []),
    ...left.filter(({ grantId }) => !inDoubt.has(grantId)),
  ];
  return {
    total: all.length,
    open,
    added,
    decided,
    doneUnwritten: earlier.doneUnwritten.filter((id) => known.has(id)),
    lost,
  };
}

/** @throws UsageError when the log is of a run for something else. */
export function checkSameRun(
  command: LogHead["command"],
  { baseUrl, orgId }: Connection,
  earlier: LogContent | undefined,
): void {
  if (earlier === undefined) {
    return;
  }
  const now = { command, url: baseUrl, orgId: orgId ?? null };
  for (const [name, value] of Object.entries(now)) {
    const before = earlier.head[name as keyof typeof now];
    if (before !== value) {
      throw new UsageError(
        `--resume: that run was for ${name} ${before ?? "none"}, this is ${value ?? "none"}.`,
      );
    }
  }
}
