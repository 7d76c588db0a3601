import type { Grant } from "./entities.js";

/** The new state of a grant; undefined if it was removed. */
interface Change {
  readonly orgId: string;
  readonly grantId: string;
  readonly grant: Grant | undefined;
}

/**
 * The read model: the data that searches return. It may lag behind the write side, and catches up whenever it
 * is read, so that no timer is needed.
 */
export class GrantProjection {
  readonly #now: () => number;
  readonly #delayMs: number;
  /** By organization, in the order in which the grants were added. */
  readonly #orgs = new Map<string, Map<string, Grant>>();
  #pending: { readonly atMs: number; readonly change: Change }[] = [];
  #updatedAtMs: number;
  /** The last search: its next page is a part of the same list unless something has changed. */
  #lastSearch: { readonly key: string; readonly found: readonly Grant[] } | undefined;

  constructor(now: () => number, delayMs: number) {
    this.#now = now;
    this.#delayMs = delayMs;
    this.#updatedAtMs = now();
  }

  /** When the projection last changed. */
  get updatedAtMs(): number {
    return this.#updatedAtMs;
  }

  record(change: Change): void {
    const atMs = this.#now();
    if (this.#delayMs === 0) {
      this.#apply(change, atMs);
    } else {
      this.#pending.push({ atMs, change });
    }
  }

  /** Applies changes that have been pending for long enough, or all of them. */
  catchUp(all: boolean): void {
    const visibleSinceMs = all ? Number.POSITIVE_INFINITY : this.#now() - this.#delayMs;
    const later = this.#pending.findIndex(({ atMs }) => atMs > visibleSinceMs);
    const due = this.#pending.splice(0, later < 0 ? this.#pending.length : later);
    for (const { atMs, change } of due) {
      this.#apply(change, atMs + this.#delayMs);
    }
  }

  get(orgId: string, grantId: string): Grant | undefined {
    return this.#orgs.get(orgId)?.get(grantId);
  }

  /**
   * All matching grants of an organization, or of all organizations.
   *
   * @param key identifies `matches`: searches with the same key have the same result.
   */
  search(
    orgId: string | undefined,
    key: string,
    matches: (grant: Grant) => boolean,
  ): readonly Grant[] {
    const keyWithOrg = JSON.stringify([orgId, key]);
    if (this.#lastSearch?.key !== keyWithOrg) {
      const orgs = orgId === undefined ? [...this.#orgs.values()] : [this.#orgs.get(orgId)];
      const found: Grant[] = [];
      for (const org of orgs) {
        for (const grant of org?.values() ?? []) {
          if (matches(grant)) {
            found.push(grant);
          }
        }
      }
      this.#lastSearch = { key: keyWithOrg, found };
    }
    return this.#lastSearch.found;
  }

  /** Discards the last search: data that it was joined with has changed. */
  invalidate(): void {
    this.#lastSearch = undefined;
  }

  #apply({ orgId, grantId, grant }: Change, atMs: number): void {
    let org = this.#orgs.get(orgId);
    if (org === undefined) {
      org = new Map();
      this.#orgs.set(orgId, org);
    }
    if (grant === undefined) {
      org.delete(grantId);
    } else {
      org.set(grantId, grant);
    }
    this.#updatedAtMs = atMs;
    this.#lastSearch = undefined;
  }
}
