import type { LostStep, RestoreEntry, RestoreOutcome, RestoreStep } from "./entry.js";

interface GrantProgress {
  outcome?: RestoreOutcome;
  newGrantId?: string;
  /** Attempts to add it whose responses are unknown. */
  lostAdds?: readonly LostStep[];
}

/** What restores of a run have done so far, by the numbers of its grants. */
export class RestoreProgress {
  readonly sessions: {
    readonly at: string;
    readonly account: string;
    ended?: { readonly at: string; readonly because: string };
  }[] = [];
  readonly #byGrant = new Map<number, GrantProgress>();
  readonly #steps = new Map<string, { readonly index: number; readonly do: RestoreStep }>();

  /** Whether a restore has begun. */
  get begun(): boolean {
    return this.sessions.length > 0;
  }

  outcome(index: number): RestoreOutcome | undefined {
    return this.#byGrant.get(index)?.outcome;
  }

  /** The grant that was added in place of a removed one. */
  newGrantId(index: number): string | undefined {
    return this.#byGrant.get(index)?.newGrantId;
  }

  /** Attempts to add a grant in place of a removed one whose responses are unknown. */
  lostAdds(index: number): readonly LostStep[] {
    return this.#byGrant.get(index)?.lostAdds ?? [];
  }

  /** @param numberOf throws for a grant that is not in the log. */
  add(entry: RestoreEntry, numberOf: (grantId: string) => number): void {
    if ("restore" in entry) {
      const last = this.sessions.at(-1);
      if (entry.restore === "started") {
        const { at, accountId, accountName } = entry;
        const account = accountName === undefined ? accountId : `${accountName} (${accountId})`;
        this.sessions.push({ at, account });
      } else if (last !== undefined) {
        last.ended = { at: entry.at, because: entry.because };
      }
    } else if ("step" in entry) {
      const index = numberOf(entry.grantId);
      this.#steps.set(entry.step, { index, do: entry.do });
      if (entry.do === "add") {
        const progress = this.#of(index);
        const lost = { number: entry.step, atMs: Date.parse(entry.at ?? "") };
        progress.lostAdds = [...(progress.lostAdds ?? []), lost];
      }
    } else if ("stepResponse" in entry) {
      const step = this.#steps.get(entry.stepResponse);
      if (step?.do === "add") {
        const progress = this.#of(step.index);
        progress.lostAdds = this.lostAdds(step.index).filter(
          ({ number }) => number !== entry.stepResponse,
        );
        if (entry.newGrantId !== undefined) {
          progress.newGrantId = entry.newGrantId;
        }
      }
      this.#steps.delete(entry.stepResponse);
    } else {
      this.#of(numberOf(entry.grantId)).outcome = entry;
    }
  }

  #of(index: number): GrantProgress {
    const known = this.#byGrant.get(index);
    if (known !== undefined) {
      return known;
    }
    const progress: GrantProgress = {};
    this.#byGrant.set(index, progress);
    return progress;
  }
}
