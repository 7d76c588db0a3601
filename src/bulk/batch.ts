import type { ConnectError } from "@connectrpc/connect";
import { LostAnswers } from "./lost-answers.js";
import type { Outcome } from "./outcome.js";
import type { Grant } from "./source.js";

type Decision<Status extends string> =
  | { readonly status: Exclude<Status, "failed"> }
  | { readonly status: "failed"; readonly error: ConnectError };

/**
 * The grants that were read together, until each of them has its outcome. One for which an answer was
 * lost is held back while a later answer for its neighbours can still prove what became of it.
 */
export class Batch<G extends Grant, Status extends string> {
  readonly grants: readonly G[];
  readonly lostAnswers: LostAnswers;
  readonly #undecided: Set<string>;
  readonly #held = new Map<string, Decision<Status>>();
  readonly #emit: (outcome: Outcome<Status | "failed">) => void;

  constructor(
    grants: readonly G[],
    emit: (outcome: Outcome<Status | "failed">) => void,
    earlier: LostAnswers | undefined,
  ) {
    this.grants = grants;
    this.lostAnswers = new LostAnswers(earlier);
    this.#undecided = new Set(grants.map(({ grantId }) => grantId));
    this.#emit = emit;
  }

  /** The grant is in its final state, whatever became of earlier requests for it. */
  confirm(grants: readonly G[], status: Exclude<Status, "failed">): void {
    for (const { grantId } of grants) {
      if (this.#undecided.delete(grantId)) {
        this.#emit({ grantId, status });
      }
    }
  }

  /** The grant is not confirmed, or was in that state before: this run may have done it all the same. */
  conclude(grants: readonly G[], decision: Decision<Status>): void {
    for (const { grantId } of grants) {
      if (!this.#undecided.delete(grantId)) {
        continue;
      }
      if (this.lostAnswers.mayHaveChanged(grantId)) {
        this.#held.set(grantId, decision);
      } else {
        this.#emit({ grantId, ...decision });
      }
    }
  }

  /** No further answer comes: those that are still undecided have failed with this error. */
  finish(error: () => ConnectError): void {
    if (this.#undecided.size > 0) {
      const failed = { status: "failed", error: error() } as const;
      this.conclude(
        this.grants.filter(({ grantId }) => this.#undecided.has(grantId)),
        failed,
      );
    }
    for (const [grantId, decision] of this.#held) {
      this.#emit(
        this.lostAnswers.mayHaveChanged(grantId)
          ? { grantId, ...decision, answerLost: true }
          : { grantId, ...decision },
      );
    }
    this.#held.clear();
  }
}
