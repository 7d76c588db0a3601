/** A request whose response was lost. */
interface LostRequest {
  readonly keys: readonly string[];
  disproved: boolean;
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
    const request = { keys, disproved: false };
    for (const key of keys) {
      const requests = this.#byKey.get(key);
      if (requests === undefined) {
        this.#byKey.set(key, [request]);
      } else {
        requests.push(request);
      }
    }
  }

  /** A later response has shown that these grants existed. */
  found(keys: readonly string[]): void {
    for (const request of keys.flatMap((key) => this.#doubtful(key))) {
      request.disproved = true;
    }
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
    return requests.every(({ keys }) => keys.some(isUndecided)) ? "open" : "final";
  }

  /** The grants that share a lost request with these. */
  neighbors(keys: readonly string[]): Set<string> {
    return new Set(keys.flatMap((key) => this.#requests(key)).flatMap((request) => request.keys));
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
