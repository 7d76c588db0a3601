import { GroupSizes } from "./group-sizes.js";
import type { Ledger } from "./ledger.js";
import type { Grant } from "./pool.js";
import type { Ask, MeaningKind, Result } from "./requests.js";

/** When so many single grants in a row lost their response, the rest of their batch is not tried. */
const mostLostAlone = 2;

/** How grants are grouped, and what becomes of them. */
export interface WorkOptions<Status extends string> {
  /** The most grants in one request. */
  readonly batchSize: number;
  /** The status of grants whose request succeeded. */
  readonly doneStatus: Exclude<Status, "failed">;
  /** The status of a grant that failed alone; `failed` for what is not listed. */
  readonly statusOf: Partial<Record<MeaningKind, Exclude<Status, "failed">>>;
}

export interface Work<G extends Grant> {
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** Sends requests until each grant of the group is decided or returned to the pool. */
  readonly work: (group: readonly G[]) => Promise<void>;
}

type Failed = Exclude<Result, { kind: "ok" }>;

/**
 * Sends grants in groups. A grant that is unknown, or that the caller may not change, makes the request for
 * its whole group fail; it is found by group testing, with sizes that fit the share of such grants.
 *
 * @param giveBack returns undecided grants to the pool, to be requested with others.
 */
export function createWork<G extends Grant, Status extends string>(
  { batchSize, doneStatus, statusOf }: WorkOptions<Status>,
  ask: Ask<G>,
  ledger: Ledger<Status>,
  giveBack: (grants: readonly G[]) => void,
): Work<G> {
  const sizes = new GroupSizes(batchSize);
  let lostAlone = 0;

  return { groupSize: () => sizes.first, work };

  async function work(group: readonly G[]): Promise<void> {
    let suspects = group;
    let oneIsFailing = false;
    while (suspects.length > 0) {
      const size = oneIsFailing ? sizes.part(suspects.length) : suspects.length;
      const asked = suspects.slice(0, size);
      const rest = suspects.slice(size);
      const result = await ask(asked);
      if (result.kind === "ok") {
        lostAlone = 0;
        ledger.decide(asked, { status: doneStatus }, true);
        sizes.add(asked.length, 0);
        // The group failed, so one of the rest must be the cause.
        suspects = rest;
        continue;
      }
      // Nothing is known about them any more.
      giveBack(rest);
      suspects = [];
      if (result.kind === "lost" && asked.length > 1) {
        await takeApart(asked, result);
      } else if (result.kind === "lost" || result.kind === "throttled") {
        lostAlone += result.kind === "lost" ? 1 : 0;
        conclude(asked, result);
      } else if (asked.length > 1) {
        suspects = asked;
        oneIsFailing = true;
      } else {
        sizes.add(1, 1);
        conclude(asked, result);
      }
    }
  }

  /**
   * For a group for which the server fails, or which takes too long: one grant in it may be the cause. Works on
   * its halves, and their halves, until each failing grant is isolated.
   */
  async function takeApart(group: readonly G[], failed: Failed): Promise<void> {
    const middle = Math.ceil(group.length / 2);
    for (const half of [group.slice(0, middle), group.slice(middle)]) {
      if (lostAlone < mostLostAlone) {
        await work(half);
      } else {
        conclude(half, failed);
      }
    }
  }

  function conclude(grants: readonly G[], { kind, error }: Failed): void {
    const status = grants.length === 1 ? statusOf[kind] : undefined;
    ledger.decide(grants, status === undefined ? { status: "failed", error } : { status });
  }
}
