import type { UserGrant } from "../../../bulk/index.js";
import { LostRequests } from "../../../bulk/lost-requests.js";
import type { GrantTable } from "../../grants/table.js";
import type { LoggedCommand } from "../../log/entry.js";
import type { LogContent } from "../../log/read.js";
import type { Settings } from "./flags.js";

/** All grants, and the ones that are left to request. */
export interface Plan {
  readonly total: number;
  readonly openCount: number;
  /** The remaining grants, except those in doubt. */
  readonly open: () => Iterable<UserGrant>;
  /** Grants of removals whose responses were lost, by request: each grant once. */
  readonly inDoubt: readonly (readonly UserGrant[])[];
  /** How many grants earlier runs have decided, by status. */
  readonly decided: Readonly<Record<string, number>>;
  /** Done by an earlier run that did not get to record it. */
  readonly doneUnwritten: readonly string[];
  /** Whether an earlier run has found grants of this organization. */
  readonly someFound: boolean;
  readonly lost: LostRequests;
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
    inDoubt: [],
    decided: {},
    doneUnwritten: [],
    someFound: false,
    lost: new LostRequests(),
    userId: (grantId) => grants.userId(grants.indexOf(grantId)),
  };
}

/** The rest of a run. A failure is not a decision: its cause may be gone. */
export function resumedPlan(content: LogContent): Plan {
  const { grants } = content;
  const { "": _, failed: __, ...decided } = content.counts();
  const isDecided = (index: number) => !["", "failed"].includes(content.states.status(index));
  const isLeft = (index: number) => !isDecided(index) && !content.states.confirmed(index);
  const lost = new LostRequests();
  const doubted = new Uint8Array(grants.size);
  const inDoubt: UserGrant[][] = [];
  for (const request of content.withoutResponse()) {
    lost.lost(request.map((index) => grants.grantId(index)));
    const left = request.filter((index) => isLeft(index) && doubted[index] !== 1);
    for (const index of left) {
      doubted[index] = 1;
    }
    if (left.length > 0) {
      inDoubt.push(left.map((index) => grants.grant(index)));
    }
  }
  for (const request of content.withoutResponse()) {
    // A later request with the response OK has found it.
    const found = request.filter((index) => content.states.confirmed(index));
    lost.found(found.map((index) => grants.grantId(index)));
  }
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
      for (let index = 0; index < grants.size; index++) {
        if (isLeft(index) && doubted[index] !== 1) {
          yield grants.grant(index);
        }
      }
    },
    inDoubt,
    decided,
    doneUnwritten,
    someFound:
      doneUnwritten.length > 0 || Object.keys(decided).some((status) => status !== "not-found"),
    lost,
    userId: (grantId) => grants.userId(grants.indexOf(grantId)),
  };
}

/** A part of a run: the next one begins when this one is completely decided. */
export interface Phase {
  readonly grants: () => Iterable<UserGrant>;
  /** How many they are: the last requests are spread evenly then. */
  readonly size: number;
  readonly batchSize: number | undefined;
  readonly concurrency: number | undefined;
  /** Whether these were in requests of an earlier run whose responses were lost. */
  readonly inDoubt: boolean;
}

/** The number of grants that is enough to tell whether the request that held them was applied. */
const samples = 2;
/** How many grants that are probably gone are requested at a time, each in a request of its own. */
const wideConcurrency = 32;

/**
 * A removal is applied as a whole or not at all. So of each request in doubt, a few grants are requested
 * first. If one of them still exists, the request was not applied: the others are removed together. Otherwise
 * they are probably gone, and each is requested alone, many at a time: together they would be bisected down
 * to single grants, with twice as many requests.
 */
export function* phasesOf(
  command: LoggedCommand,
  plan: Plan,
  { concurrency }: Settings,
): Generator<Phase> {
  const usual = { batchSize: undefined, concurrency };
  if (command === "deactivate") {
    const grants = () => [...plan.inDoubt.flat(), ...plan.open()];
    yield { ...usual, grants, size: plan.openCount, inDoubt: false };
    return;
  }
  let inDoubt = 0;
  if (plan.inDoubt.length > 0) {
    const alone = { batchSize: 1, concurrency: concurrency ?? wideConcurrency };
    const listed = (grants: readonly UserGrant[]) => {
      inDoubt += grants.length;
      return { grants: () => grants, size: grants.length, inDoubt: true };
    };
    yield { ...alone, ...listed(plan.inDoubt.flatMap((request) => request.slice(0, samples))) };
    const rest = plan.inDoubt.flatMap((request) => request.slice(samples));
    const isInDoubt = ({ grantId }: UserGrant) => plan.lost.mayHaveChanged(grantId);
    const probablyGone = rest.filter(isInDoubt);
    const stillThere = rest.filter((grant) => !isInDoubt(grant));
    yield { ...alone, ...listed(probablyGone) };
    yield { ...usual, ...listed(stillThere) };
  }
  yield { ...usual, grants: plan.open, size: plan.openCount - inDoubt, inDoubt: false };
}
