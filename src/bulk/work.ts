import type { CallOptions } from "@connectrpc/connect";
import { createGroupSizes, Share } from "./group-sizes.js";
import type { Ledger } from "./ledger.js";
import type { Grant } from "./pool.js";
import type { Ask, MeaningKind, Result } from "./requests.js";

/** Attempts for each part of a request that failed for an unknown reason and was split. */
const attemptsForPart = 2;
/** When this many single grants lost their response and none is done, the rest is not tried. */
const mostLostAlone = 2;

/** What is asked of the server. */
export interface WorkOptions<G extends Grant, Status extends string> {
  /** The most grants in one request. */
  readonly batchSize: number;
  readonly send: (grants: readonly G[], callOptions: CallOptions) => Promise<unknown>;
  /** The status of grants whose request succeeded. */
  readonly doneStatus: Exclude<Status, "failed">;
  /** The status of a grant that failed alone; `failed` for what is not listed. */
  readonly statusOf: Partial<Record<MeaningKind, Exclude<Status, "failed">>>;
}

/** What the work of a run operates on. */
export interface WorkContext<G extends Grant, Status extends string> {
  readonly ask: Ask<G>;
  readonly ledger: Ledger<Status>;
  /** Returns undecided grants to the pool, to be requested with others. */
  readonly giveBack: (grants: readonly G[]) => void;
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
 */
export function createWork<G extends Grant, Status extends string>(
  { batchSize, send, doneStatus, statusOf }: WorkOptions<G, Status>,
  { ask, ledger, giveBack }: WorkContext<G, Status>,
): Work<G> {
  const share = new Share(batchSize);
  const sizesFor = createGroupSizes(batchSize);

  return {
    groupSize: () => sizesFor(share.value).first,

    async work(group) {
      let suspects = group;
      let oneIsBlocked = false;
      while (suspects.length > 0) {
        const size = oneIsBlocked ? sizesFor(share.value).part(suspects.length) : suspects.length;
        const asked = suspects.slice(0, size);
        const rest = suspects.slice(size);
        const result = await request(asked);
        if (result.kind === "ok") {
          share.add(asked.length, 0);
          // The group failed, so one of the rest must be the cause.
          suspects = rest;
          continue;
        }
        const isBlocked = result.kind !== "throttled" && result.kind !== "lost";
        suspects = isBlocked && asked.length > 1 ? asked : [];
        oneIsBlocked = true;
        if (suspects.length === 0) {
          if (isBlocked) {
            share.add(1, 1);
          }
          if (asked.length === 1 || result.kind === "throttled") {
            conclude(asked, result);
          } else {
            await takeApart(asked, result);
          }
        }
        // Nothing is known about them any more.
        giveBack(rest);
      }
    },
  };

  async function request(group: readonly G[], attempts?: number): Promise<Result> {
    const result = await ask(group, (callOptions) => send(group, callOptions), attempts);
    if (result.kind === "ok") {
      ledger.decide(group, { status: doneStatus }, true);
    }
    return result;
  }

  /**
   * For a group for which the server fails, or which takes too long: one grant in it may be the cause. Requests
   * its halves, and their halves, until each failing grant is isolated.
   */
  async function takeApart(group: readonly G[], first: Failed): Promise<void> {
    let someDone = false;
    let lostAlone = 0;
    let broken: Failed | undefined;
    await settle(group, first);

    async function settle(part: readonly G[], result: Result): Promise<void> {
      if (result.kind === "ok") {
        someDone = true;
        return;
      }
      if (part.length === 1 && result.kind === "lost") {
        lostAlone += 1;
        if (lostAlone >= mostLostAlone && !someDone) {
          broken = result;
        }
      }
      if (part.length === 1 || result.kind === "throttled") {
        conclude(part, result);
        return;
      }
      const middle = Math.ceil(part.length / 2);
      for (const half of [part.slice(0, middle), part.slice(middle)]) {
        if (broken === undefined) {
          await settle(half, await request(half, attemptsForPart));
        } else {
          conclude(half, broken);
        }
      }
    }
  }

  function conclude(grants: readonly G[], { kind, error }: Failed): void {
    const status = grants.length === 1 ? statusOf[kind] : undefined;
    ledger.decide(grants, status === undefined ? { status: "failed", error } : { status });
  }
}
