/** A request whose response was lost. */
interface LostRequest {
  readonly keys: readonly string[];
  disproved: boolean;
  /** Where the grant that was found undecided last is in `keys`: searching goes on there. */
  undecidedAt: number;
}

/**
 * What is known of a grant in lost requests: that no lost request changed it, that one may have, or that one
 * may have and a later response can still disprove that.
 */
export type Doubt = "none" | "final" | "open";

/**
 * Remembers requests whose responses were lost, and what later responses prove about them.
 *
 * A removal is all or nothing, and the server looks each grant up before it writes. So when a grant is found
 * by a later request (which removes it, or reports that it belongs to a project the caller does not manage),
 * a lost request that held it
 * - was not applied before, or the grant would have been gone;
 * - is not applied after, should it still be in flight: it finds the grant gone, or is rejected for it.
 *
 * Every other grant of that lost request is then unaffected by it. A grant that is *not* found proves nothing:
 * the lost request may have removed it. Neither does an error for several grants together, which can be for
 * any of them, nor does time: a request may be applied long after its deadline.
 *
 * The same grant can be in several lost requests, each of which has to be disproved on its own.
 */
export class LostRequests {
  readonly #byKey = new Map<string, LostRequest[]>();
  readonly #earlier: LostRequests | undefined;

  /** @param earlier of an earlier run for some of the same grants. */
  constructor(earlier?: LostRequests) {
    this.#earlier = earlier;
  }

  lost(keys: readonly string[]): void {
    const request = { keys, disproved: false, undecidedAt: 0 };
    for (const key of keys) {
      const requests = this.#byKey.get(key);
      if (requests === undefined) {
        this.#byKey.set(key, [request]);
      } else {
        requests.push(request);
      }
    }
  }

  /**
   * A later response has shown that these grants existed.
   *
   * @returns the grants of lost requests that this disproves.
   */
  found(keys: readonly string[]): Set<string> {
    const requests = this.#doubtfulOf(keys);
    for (const request of requests) {
      request.disproved = true;
    }
    return keysOf(requests);
  }

  /**
   * These grants are decided.
   *
   * @returns the grants of their lost requests that no later response can disprove any more.
   */
  decided(keys: readonly string[], isUndecided: (key: string) => boolean): Set<string> {
    return keysOf(
      this.#doubtfulOf(keys).filter((request) => !canBeDisproved(request, isUndecided)),
    );
  }

  /** Whether a lost request may have changed this grant, as far as is known. */
  mayHaveChanged(key: string): boolean {
    return this.#doubtful(key).length > 0;
  }

  /** @param isUndecided whether the run will still request a grant, which may disprove a lost request. */
  doubt(key: string, isUndecided: (key: string) => boolean): Doubt {
    const requests = this.#doubtful(key);
    if (requests.length === 0) {
      return "none";
    }
    return requests.every((request) => canBeDisproved(request, isUndecided)) ? "open" : "final";
  }

  #doubtfulOf(keys: readonly string[]): LostRequest[] {
    return [...new Set(keys.flatMap((key) => this.#doubtful(key)))];
  }

  #doubtful(key: string): LostRequest[] {
    return this.#requests(key).filter(({ disproved }) => !disproved);
  }

  #requests(key: string): readonly LostRequest[] {
    const own = this.#byKey.get(key) ?? none;
    return this.#earlier === undefined ? own : [...own, ...this.#earlier.#requests(key)];
  }
}

const none: readonly LostRequest[] = [];

function keysOf(requests: readonly LostRequest[]): Set<string> {
  return new Set(requests.flatMap(({ keys }) => keys));
}

/** Whether the run will still request a grant of it. */
function canBeDisproved(request: LostRequest, isUndecided: (key: string) => boolean): boolean {
  const { keys, undecidedAt } = request;
  for (let step = 0; step < keys.length; step++) {
    const index = (undecidedAt + step) % keys.length;
    if (isUndecided(keys[index] ?? "")) {
      request.undecidedAt = index;
      return true;
    }
  }
  return false;
}
