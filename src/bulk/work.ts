import type { GroupSizes } from "./group-sizes.js";
import type { Ledger } from "./ledger.js";
import type { Pace } from "./pace.js";
import type { Batch, Grant, Pool } from "./pool.js";
import type { Ask, Failed, MeaningKind } from "./requests.js";

/** A batch is split when so many of its requests were lost; its parts are when one more is. */
const lossesOfBatch = 2;
/** A grant alone has failed after so many, if the server accepts others meanwhile, or says itself that it failed. */
const lossesAlone = 5;

/** How grants are grouped, and what becomes of them. */
export interface WorkOptions<Status extends string> {
  /** The status of grants whose request succeeded. */
  readonly doneStatus: Exclude<Status, "failed">;
  /** The status of a grant that failed alone; `failed` for what is not listed. */
  readonly statusOf: Partial<Record<MeaningKind, Exclude<Status, "failed">>>;
}

/**
 * Sends grants in groups. A grant that is unknown, or that the caller may not change, makes the request for
 * its whole group fail; it is found by group testing, with sizes that fit the share of such grants.
 *
 * @returns a function that sends requests until each grant of a batch is decided or returned to the pool.
 */
export function createWork<G extends Grant, Status extends string>(
  { doneStatus, statusOf }: WorkOptions<Status>,
  sizes: GroupSizes,
  ask: Ask<G>,
  pace: Pace,
  ledger: Ledger<Status>,
  pool: Pool<G>,
): (batch: Batch<G>) => Promise<void> {
  return work;

  async function work({ grants, losses, accepted }: Batch<G>): Promise<void> {
    let suspects = grants;
    let oneIsFailing = false;
    while (suspects.length > 0) {
      const size = oneIsFailing ? sizes.part(suspects.length) : suspects.length;
      const asked = suspects.slice(0, size);
      const rest = suspects.slice(size);
      const result = await ask(asked);
      if (result.kind === "ok") {
        ledger.decide(asked, { status: doneStatus }, true);
        sizes.add(asked.length, 0);
        // The group failed, so one of the rest must be the cause.
        suspects = rest;
        continue;
      }
      // Nothing is known about them any more.
      pool.giveBack(rest);
      suspects = [];
      const isTransient = result.kind === "lost" || result.kind === "throttled";
      if (isTransient && result.mayBeApplied) {
        onLost({ grants: asked, losses: losses + 1, accepted }, result);
      } else if (isTransient) {
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
   * The cause may be the server, or one of the grants: the server fails for it, or takes too long for so many. So
   * parts are requested, until that grant is alone. Then it has failed if the server accepts others meanwhile, or
   * says itself that it failed.
   */
  function onLost({ grants, losses, accepted }: Batch<G>, failed: Failed): void {
    const acceptsOthers = pace.accepted > accepted;
    if (acceptsOthers) {
      pace.excuse();
    }
    const retry = (part: readonly G[]) =>
      pool.putBack({ grants: part, losses, accepted: pace.accepted });
    if (grants.length > 1 && losses >= lossesOfBatch) {
      // A half, or less where nothing was accepted for long: a part that passes shows that it is not the server.
      const size = Math.ceil(grants.length / 2 ** Math.max(1, pace.throttlings));
      retry(grants.slice(0, size));
      retry(grants.slice(size));
    } else if (
      grants.length === 1 &&
      losses >= lossesAlone &&
      (acceptsOthers || failed.kind === "lost")
    ) {
      conclude(grants, failed);
    } else {
      retry(grants);
    }
  }

  function conclude(grants: readonly G[], { kind, error }: Failed): void {
    const status = grants.length === 1 ? statusOf[kind] : undefined;
    ledger.decide(grants, status === undefined ? { status: "failed", error } : { status });
  }
}
