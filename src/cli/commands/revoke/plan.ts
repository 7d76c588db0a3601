import type { LoggedCommand, Selectors } from "../../log/entry.js";
import type { GrantInLog, LogContent } from "../../log/read.js";
import type { RunGrant } from "./gather.js";

/** All grants of a run, and the ones that are left to request. */
export interface Plan {
  readonly command: LoggedCommand;
  readonly grants: readonly RunGrant[];
  /** Those that an earlier run may have sent come first. */
  readonly open: readonly RunGrant[];
  /** What the run is for, if it is not for given ids: afterwards, the same is searched for again. */
  readonly selectors: Selectors | undefined;
  /** What earlier runs have left. */
  readonly earlier?: Earlier;
}

export interface Earlier {
  readonly content: LogContent;
  /** Grants of requests whose responses were lost. */
  readonly inDoubt: ReadonlySet<string>;
  /** How many grants are decided, by status. */
  readonly decided: Readonly<Record<string, number>>;
  /** Done, without an outcome in the log. */
  readonly unwritten: readonly RunGrant[];
}

/** The rest of a run. A failure is not a decision: its cause may be gone. */
export function resumedPlan(content: LogContent): Plan {
  const { grants, head } = content;
  const { "": _, failed: __, ...decided } = content.counts();
  const undecided = grants.filter(({ status }) => status === "" || status === "failed");
  const left = undecided.filter(({ confirmed }) => !confirmed);
  const doubtful = content.inDoubt();
  const isDoubtful = (grant: GrantInLog) => doubtful.has(grant);
  return {
    command: head.command,
    grants,
    open: [...left.filter(isDoubtful), ...left.filter((grant) => !isDoubtful(grant))],
    selectors: head.selectors,
    earlier: {
      ...{ content, decided },
      inDoubt: new Set([...doubtful].map(({ grantId }) => grantId)),
      unwritten: undecided.filter(({ confirmed }) => confirmed),
    },
  };
}
