import type { ConnectError } from "@connectrpc/connect";
import { LostAnswers } from "./lost-answers.js";
import type { Outcome } from "./outcome.js";
import type { Grant } from "./source.js";

type Decision<Status extends string> =
  | { readonly status: Exclude<Status, "failed"> }
  | { readonly status: "failed"; readonly error: ConnectError };

/**
 * The grants that were read, until each of them has its outcome. A grant whose response was lost is held
 * back while a later response for its neighbors can still prove what became of it.
 */
export class Ledger<Status extends string> {
  readonly #undecided = new Set<string>();
  readonly #held = new Map<string, Decision<Status>>();
  readonly #lostAnswers: LostAnswers;
  readonly #emit: (outcome: Outcome<Status | "failed">) => void;

  /** @param earlier of an earlier run for some of the same grants. */
  constructor(
    emit: (outcome: Outcome<Status | "failed">) => void,
    earlier: LostAnswers | undefined,
  ) {
    this.#emit = emit;
    this.#lostAnswers = new LostAnswers(earlier);
  }

  /** Whether the grant is new: not one that is waiting for its outcome already. */
  open({ grantId }: Grant): boolean {
    if (this.#undecided.has(grantId) || this.#held.has(grantId)) {
      return false;
    }
    this.#undecided.add(grantId);
    return true;
  }

  /** The grants are in their final state, whatever became of earlier requests for them. */
  confirm(grants: readonly Grant[], status: Exclude<Status, "failed">): void {
    const decided = this.#decide(grants);
    for (const grantId of decided) {
      this.#emit({ grantId, status });
    }
    this.#review(decided);
  }

  /** The grants are not confirmed, or were in that state before: this run may have done it all the same. */
  conclude(grants: readonly Grant[], decision: Decision<Status>): void {
    const decided = this.#decide(grants);
    for (const grantId of decided) {
      this.#held.set(grantId, decision);
      this.#release(grantId);
    }
    this.#review(decided);
  }

  /** Nothing tells whether a request for these grants was applied. */
  lost(grants: readonly Grant[]): void {
    this.#lostAnswers.lost(idsOf(grants));
  }

  /** A response has shown that these grants were there. */
  found(grants: readonly Grant[]): void {
    const ids = idsOf(grants);
    this.#lostAnswers.found(ids);
    this.#review(ids);
  }

  /** No further response comes: those that are still undecided have failed with this error. */
  finish(error: () => ConnectError): void {
    if (this.#undecided.size > 0) {
      const grants = Array.from(this.#undecided, (grantId) => ({ grantId }));
      this.conclude(grants, { status: "failed", error: error() });
    }
  }

  #decide(grants: readonly Grant[]): string[] {
    return idsOf(grants).filter((grantId) => this.#undecided.delete(grantId));
  }

  /** Looks again at those that are held back for what is now known of their neighbors. */
  #review(ids: readonly string[]): void {
    if (this.#held.size > 0) {
      for (const grantId of this.#lostAnswers.neighbors(ids)) {
        this.#release(grantId);
      }
    }
  }

  #release(grantId: string): void {
    const decision = this.#held.get(grantId);
    if (decision === undefined) {
      return;
    }
    const doubt = this.#lostAnswers.doubt(grantId, (other) => this.#undecided.has(other));
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
