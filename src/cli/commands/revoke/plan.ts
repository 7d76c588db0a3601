import type { UserGrant } from "../../../bulk/index.js";
import type { GrantTable } from "../../grants/table.js";
import type { GrantInLog, LogContent } from "../../log/read.js";

/** All grants, and the ones that are left to request. */
export interface Plan {
  readonly total: number;
  readonly openCount: number;
  /** The remaining grants, those in doubt first. */
  readonly open: () => Iterable<UserGrant>;
  /** Grants that requests of earlier runs held whose responses were lost. */
  readonly inDoubt: ReadonlySet<string>;
  /** How many grants earlier runs have decided, by status. */
  readonly decided: Readonly<Record<string, number>>;
  /** Done by an earlier run that did not get to record it. */
  readonly doneUnwritten: readonly string[];
  /** Whether an earlier run has found grants of this organization. */
  readonly someFound: boolean;
  /** Empty if unknown. */
  readonly userId: (grantId: string) => string;
}

/** A run that has not begun. */
export function newPlan(grants: GrantTable): Plan {
  return {
    total: grants.size,
    openCount: grants.size,
    *open() {
      for (let index = 0; index < grants.size; index++) {
        yield withUser(grants.grant(index));
      }
    },
    inDoubt: new Set(),
    decided: {},
    doneUnwritten: [],
    someFound: false,
    userId: (grantId) => grants.userId(grants.indexOf(grantId)),
  };
}

/** The rest of a run. A failure is not a decision: its cause may be gone. */
export function resumedPlan(content: LogContent): Plan {
  const { grants } = content;
  const { "": _, failed: __, ...decided } = content.counts();
  const isDecided = ({ status }: GrantInLog) => !["", "failed"].includes(status);
  const isLeft = (grant: GrantInLog) => !isDecided(grant) && !grant.confirmed;
  const doubted = new Set(content.withoutResponse().flat());
  const doneUnwritten = grants
    .filter((grant) => !isLeft(grant) && !isDecided(grant))
    .map(({ grantId }) => grantId);
  return {
    total: grants.length,
    openCount: grants.filter(isLeft).length,
    *open() {
      yield* [...doubted].filter(isLeft).map(withUser);
      for (const grant of grants) {
        if (isLeft(grant) && !doubted.has(grant)) {
          yield withUser(grant);
        }
      }
    },
    inDoubt: new Set(Array.from(doubted, ({ grantId }) => grantId)),
    decided,
    doneUnwritten,
    someFound:
      doneUnwritten.length > 0 || Object.keys(decided).some((status) => status !== "not-found"),
    userId: (grantId) => content.find(grantId)?.userId ?? "",
  };
}

/** ZITADEL requires a user, and does not compare it. */
function withUser({ grantId, userId }: UserGrant): UserGrant {
  return { grantId, userId: userId || grantId };
}
