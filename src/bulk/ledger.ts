import type { ConnectError } from "@connectrpc/connect";
import { describeError, errorIds } from "../errors/describe.js";
import type { Outcome } from "./outcome.js";
import type { Grant } from "./pool.js";
import { Notifier } from "./stop.js";

type Decision<Status extends string> =
  | { readonly status: Exclude<Status, "failed"> }
  | { readonly status: "failed"; readonly error: ConnectError };

/** Ids of grants that may have been changed: held by requests of an earlier run whose responses were lost. */
export interface InDoubt {
  has(grantId: string): boolean;
}

/**
 * The grants that were read, until each has its outcome, and whether a request that held one may have been
 * applied although no response says so. That doubt stays: ZITADEL looks the grants of a request up before it
 * writes, and does not look again, so a lost request can be applied before, during and after a later one
 * that is answered.
 */
export class Ledger<Status extends string> {
  /** Undecided grants, and whether they are in doubt. */
  readonly #undecided = new Map<string, boolean>();
  readonly #emit: (outcome: Outcome<Status | "failed">) => void;
  readonly #earlier: InDoubt | undefined;

  constructor(emit: (outcome: Outcome<Status | "failed">) => void, earlier: InDoubt | undefined) {
    this.#emit = emit;
    this.#earlier = earlier;
  }

  /** Whether the grant is new, as opposed to one that is already waiting for its outcome. */
  open({ grantId }: Grant): boolean {
    if (this.#undecided.has(grantId)) {
      return false;
    }
    this.#undecided.set(grantId, this.#earlier?.has(grantId) ?? false);
    return true;
  }

  /** It is unknown whether a request for these grants was applied. */
  lost(grants: readonly Grant[]): void {
    for (const { grantId } of grants) {
      if (this.#undecided.has(grantId)) {
        this.#undecided.set(grantId, true);
      }
    }
  }

  /**
   * The grants have their outcome.
   *
   * @param isCertain whether it holds whatever became of other requests for them.
   */
  decide(
    grants: readonly Grant[],
    decision: Decision<Status>,
    isCertain = grants.length === 1 && isAboutTheGrant(decision),
  ): void {
    for (const { grantId } of grants) {
      const inDoubt = this.#undecided.get(grantId) && !isCertain;
      if (this.#undecided.delete(grantId)) {
        this.#emit({ grantId, ...decision, ...(inDoubt ? { answerLost: true } : {}) });
      }
    }
  }

  /** No further response will come: grants that are still undecided have failed with this error. */
  finish(error: ConnectError): void {
    const grants = Array.from(this.#undecided.keys(), (grantId) => ({ grantId }));
    this.decide(grants, { status: "failed", error });
  }
}

/** The server has looked the grant up, alone, and rejects it: it rejects every other request that holds it. */
function isAboutTheGrant(decision: Decision<string>): boolean {
  return "error" in decision && describeError(decision.error).id === errorIds.otherProject;
}

/** Outcomes that have not been consumed yet, and who waits for one, or for room. */
export class OutcomeQueue<O> {
  readonly #most: number;
  readonly #changed = new Notifier();
  /** In their order. */
  readonly #outcomes = new Set<O>();
  #closed = false;

  /** @param most at this many unconsumed outcomes, there is no room for more work. */
  constructor(most: number) {
    this.#most = most;
  }

  push(outcome: O): void {
    if (!this.#closed) {
      this.#outcomes.add(outcome);
      this.#changed.notify();
    }
  }

  /** The next outcome, or undefined if there are no more. */
  async take(): Promise<O | undefined> {
    for (;;) {
      for (const outcome of this.#outcomes) {
        this.#outcomes.delete(outcome);
        this.#changed.notify();
        return outcome;
      }
      if (this.#closed) {
        return undefined;
      }
      await this.#changed.wait();
    }
  }

  /** There will be no more outcomes. */
  close(): void {
    this.#closed = true;
    this.#changed.notify();
  }

  /** The consumer has stopped: present and future outcomes are dropped. */
  drop(): void {
    this.#outcomes.clear();
    this.close();
  }

  /** Resolves when there is room, or the run stops. */
  async room(stop: AbortSignal): Promise<void> {
    while (this.#outcomes.size >= this.#most && !this.#closed && !stop.aborted) {
      await this.#changed.wait(stop);
    }
  }
}
