import type { UserGrant } from "../bulk/index.js";
import type { Plan } from "./plan.js";
import type { BulkCommand, Settings } from "./settings.js";

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
  command: BulkCommand,
  plan: Plan,
  { batchSize, concurrency }: Settings,
): Generator<Phase> {
  const usual = { batchSize, concurrency };
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
