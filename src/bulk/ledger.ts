import type { ConnectError } from "@connectrpc/connect";
import { LostRequests } from "./lost-requests.js";
import type { Outcome } from "./outcome.js";
import type { Grant } from "./source.js";

type Decision<Status extends string> =
  | { readonly status: Exclude<Status, "failed"> }
  | { readonly status: "failed"; readonly error: ConnectError };

/**
 * The grants that were read, until each has its outcome. A grant whose response was lost is held back while a
 * later response for its neighbors can still prove what happened to it.
 */
export class Ledger<Status extends string> {
  readonly #undecided = new Set<string>();
  readonly #isUndecided = (grantId: string) => this.#undecided.has(grantId);
  readonly #held = new Map<string, Decision<Status>>();
  readonly #lostRequests: LostRequests;
  readonly #emit: (outcome: Outcome<Status | "failed">) => void;

  /** @param earlier of an earlier run for some of the same grants. */
  constructor(
    emit: (outcome: Outcome<Status | "failed">) => void,
    earlier: LostRequests | undefined,
  ) {
    this.#emit = emit;
    this.#lostRequests = new LostRequests(earlier);
  }

  /** Whether the grant is new, as opposed to one that is already waiting for its outcome. */
  open({ grantId }: Grant): boolean {
    if (this.#undecided.has(grantId) || this.#held.has(grantId)) {
      return false;
    }
    this.#undecided.add(grantId);
    return true;
  }

  /** The grants are in their final state, regardless of earlier requests for them. */
  confirm(grants: readonly Grant[], status: Exclude<Status, "failed">): void {
    const decided = this.#decide(grants);
    for (const grantId of decided) {
      this.#emit({ grantId, status });
    }
    this.#review(decided);
  }

  /**
   * The grants are not confirmed, or were already in that state: this run may have changed them all the same.
   */
  conclude(grants: readonly Grant[], decision: Decision<Status>): void {
    const decided = this.#decide(grants);
    for (const grantId of decided) {
      this.#held.set(grantId, decision);
      this.#release(grantId);
    }
    this.#review(decided);
  }

  /** It is unknown whether a request for these grants was applied. */
  lost(grants: readonly Grant[]): void {
    this.#lostRequests.lost(idsOf(grants));
  }

  /** A response has shown that these grants existed. */
  found(grants: readonly Grant[]): void {
    this.#releaseAll(this.#lostRequests.found(idsOf(grants)));
  }

  /** No further response will come: grants that are still undecided have failed with this error. */
  finish(error: () => ConnectError): void {
    if (this.#undecided.size > 0) {
      const grants = Array.from(this.#undecided, (grantId) => ({ grantId }));
      this.conclude(grants, { status: "failed", error: error() });
    }
  }

  #decide(grants: readonly Grant[]): string[] {
    return idsOf(grants).filter((grantId) => this.#undecided.delete(grantId));
  }

  /** Held-back grants may have waited for these to be decided. */
  #review(decided: readonly string[]): void {
    if (this.#held.size > 0) {
      this.#releaseAll(this.#lostRequests.decided(decided, this.#isUndecided));
    }
  }

  #releaseAll(ids: Iterable<string>): void {
    for (const grantId of ids) {
      this.#release(grantId);
    }
  }

  #release(grantId: string): void {
    const decision = this.#held.get(grantId);
    if (decision === undefined) {
      return;
    }
    const doubt = this.#lostRequests.doubt(grantId, this.#isUndecided);
    if (doubt !== "open") {
      this.#held.delete(grantId);
      this.#emit(
        doubt === "none" ? { grantId, ...decision } : { grantId, ...decision, answerLost: true },
      );
    }
  }
}

function idsOf(grants: readonly Grant[]): string[] {
  return grants.map(({ grantId }) => grantId);
}
