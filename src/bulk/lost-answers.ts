/** A request whose answer did not come back. */
interface LostRequest {
  readonly keys: readonly string[];
  disproved: boolean;
}

/**
 * Remembers requests whose answers were lost, and what later answers prove about them.
 *
 * A removal is all or nothing, and the server looks each grant up before it writes. So when a grant is
 * found by a later request (that one removes it, or says that it is of a project which the caller does
 * not manage), a lost request that held it
 * - was not applied before, or the grant would have been gone;
 * - is not applied after, should it still be on its way: it finds the grant gone, or is refused for it.
 * Every other grant of that lost request is then free of it. A grant that is *not* found proves nothing:
 * the lost request may have removed it. Neither does a refusal of several grants together, which can be
 * for any of them, nor does time: a request may be applied long after its deadline.
 *
 * The same grant can be in several lost requests, each of which has to be disproved on its own.
 */
export class LostAnswers {
  readonly #byKey = new Map<string, LostRequest[]>();
  readonly #earlier: LostAnswers | undefined;

  /** @param earlier of an earlier run for some of the same grants. */
  constructor(earlier?: LostAnswers) {
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

  /** A later answer has shown that these grants were there. */
  found(keys: readonly string[]): void {
    this.#earlier?.found(keys);
    if (this.#byKey.size === 0) {
      return;
    }
    for (const key of keys) {
      for (const request of this.#byKey.get(key) ?? []) {
        request.disproved = true;
      }
    }
  }

  /** Whether a lost request may have changed this grant, as far as is known by now. */
  mayHaveChanged(key: string): boolean {
    return (
      (this.#byKey.get(key)?.some((request) => !request.disproved) ?? false) ||
      (this.#earlier?.mayHaveChanged(key) ?? false)
    );
  }
}
