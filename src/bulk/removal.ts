import type { Client } from "@connectrpc/connect";
import type { ManagementService } from "../../gen/zitadel/management_pb.js";
import { describeError } from "../errors/describe.js";
import { bisect } from "./bisect.js";
import { createGroupSizes } from "./group-sizes.js";
import type { Work, WorkContext } from "./job.js";
import type { RemoveStatus } from "./outcome.js";
import type { Result } from "./requests.js";
import { Share } from "./share.js";
import type { Grant } from "./source.js";

/** Attempts for each part of a request that failed for an unknown reason and was split. */
const attemptsForPart = 2;

/**
 * Removes grants in groups. A grant that is unknown, or that the caller may not remove, makes the request for
 * its whole group fail; it is found by group testing, with sizes that fit the share of such grants.
 */
export function createRemoval(
  client: Client<typeof ManagementService>,
  batchSize: number,
  { ask, ledger, giveBack }: WorkContext<Grant, RemoveStatus>,
): Work<Grant> {
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
        const result = await remove(asked);
        switch (result.kind) {
          case "ok":
            share.add(asked.length, 0);
            // The group failed, so one of the rest must be the cause.
            suspects = rest;
            continue;
          case "not-found":
          case "rejected":
          case "inactive":
            if (asked.length > 1) {
              suspects = asked;
              oneIsBlocked = true;
            } else {
              share.add(1, 1);
              concludeAlone(asked, result);
              suspects = [];
            }
            break;
          case "throttled":
            ledger.conclude(asked, { status: "failed", error: result.error });
            suspects = [];
            break;
          default:
            await takeApart(asked, result);
            suspects = [];
        }
        // Nothing is known about them any more.
        giveBack(rest);
      }
    },
  };

  async function remove(group: readonly Grant[], attempts?: number): Promise<Result> {
    const grantId = group.map((grant) => grant.grantId);
    const result = await ask(
      group,
      (callOptions) => client.bulkRemoveUserGrant({ grantId }, callOptions),
      attempts,
    );
    if (result.kind === "ok") {
      ledger.confirm(group, "removed");
    }
    return result;
  }

  /** For a group that is too large, or for which the server has failed: one grant in it may be the cause. */
  async function takeApart(group: readonly Grant[], first: Result): Promise<void> {
    await bisect(group, first, {
      ask: (part) => remove(part, attemptsForPart),
      conclude: (part, result) =>
        part.length === 1
          ? concludeAlone(part, result)
          : ledger.conclude(part, { status: "failed", error: result.error }),
    });
  }

  function concludeAlone(
    grant: readonly Grant[],
    { kind, error }: Exclude<Result, { kind: "ok" }>,
  ): void {
    if (kind === "not-found") {
      ledger.conclude(grant, { status: "not-found" });
      return;
    }
    if (describeError(error).id === "EVENT-Shu7e") {
      // The server has looked the grant up and found it.
      ledger.found(grant);
    }
    ledger.conclude(grant, { status: "failed", error });
  }
}
