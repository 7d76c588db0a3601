import type { LoggedCommand, Selectors } from "../../log/entry.js";
import type { GrantInLog, LogContent } from "../../log/read.js";
import type { RunGrant } from "./gather.js";

/** All grants of a run, and the ones that are left to request. */
export interface Plan {
  readonly command: LoggedCommand;
  readonly grants: readonly RunGrant[];
  /** Those that an earlier run may have sent come first. */
  readonly open: readonly RunGrant[];
  /** Grants of requests whose responses were lost. */
  readonly inDoubt: ReadonlySet<string>;
  /** How many grants earlier runs have decided, by status. */
  readonly decided: Readonly<Record<string, number>>;
  /** Done by an earlier run that did not get to record it. */
  readonly doneUnwritten: readonly string[];
  /** Whether an earlier run has found grants of this organization. */
  readonly someFound: boolean;
  /** What the run is for, if it is not for given ids: afterwards, the same is searched for again. */
  readonly selectors: Selectors | undefined;
  /** What earlier runs have logged. */
  readonly logged: LogContent | undefined;
}

/** A run that has not begun. */
export function newPlan(
  command: LoggedCommand,
  grants: readonly RunGrant[],
  selectors: Selectors | undefined,
): Plan {
  return {
    ...{ command, grants, open: grants, inDoubt: new Set(), decided: {}, doneUnwritten: [] },
    ...{ someFound: false, selectors, logged: undefined },
  };
}

/** The rest of a run. A failure is not a decision: its cause may be gone. */
export function resumedPlan(content: LogContent): Plan {
  const { grants, head } = content;
  const { "": _, failed: __, ...decided } = content.counts();
  const isDecided = ({ status }: GrantInLog) => !["", "failed"].includes(status);
  const isLeft = (grant: GrantInLog) => !isDecided(grant) && !grant.confirmed;
  const inDoubt = new Set(
    content.withoutResponse().flatMap((request) => request.map(({ grantId }) => grantId)),
  );
  const doneUnwritten = grants
    .filter((grant) => !isLeft(grant) && !isDecided(grant))
    .map(({ grantId }) => grantId);
  const left = grants.filter(isLeft);
  return {
    command: head.command,
    grants,
    open: [
      ...left.filter(({ grantId }) => inDoubt.has(grantId)),
      ...left.filter(({ grantId }) => !inDoubt.has(grantId)),
    ],
    inDoubt,
    decided,
    doneUnwritten,
    someFound:
      doneUnwritten.length > 0 || Object.keys(decided).some((status) => status !== "not-found"),
    selectors: head.selectors,
    logged: content,
  };
}
