import type { UserGrant } from "../../../bulk/index.js";
import type { GrantTable } from "../../grants/table.js";
import type { LogContent } from "../../log/read.js";

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
        yield grants.grant(index);
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
  const isDecided = (index: number) => !["", "failed"].includes(content.states.status(index));
  const isLeft = (index: number) => !isDecided(index) && !content.states.confirmed(index);
  const doubted = new Set(content.withoutResponse().flat());
  const doneUnwritten: string[] = [];
  let openCount = 0;
  for (let index = 0; index < grants.size; index++) {
    if (isLeft(index)) {
      openCount += 1;
    } else if (!isDecided(index)) {
      doneUnwritten.push(grants.grantId(index));
    }
  }
  return {
    total: grants.size,
    openCount,
    *open() {
      for (const index of doubted) {
        if (isLeft(index)) {
          yield grants.grant(index);
        }
      }
      for (let index = 0; index < grants.size; index++) {
        if (isLeft(index) && !doubted.has(index)) {
          yield grants.grant(index);
        }
      }
    },
    inDoubt: new Set(Array.from(doubted, (index) => grants.grantId(index))),
    decided,
    doneUnwritten,
    someFound:
      doneUnwritten.length > 0 || Object.keys(decided).some((status) => status !== "not-found"),
    userId: (grantId) => grants.userId(grants.indexOf(grantId)),
  };
}
