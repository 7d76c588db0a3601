import { searchAllGrants } from "./grant-search.js";
import type { LogContent } from "./log/content.js";
import { expectationOf, type FoundState } from "./log/expected.js";
import type { Lookup } from "./lookup.js";

const pageSize = 1000;
/** A page takes the server about as long as so many single lookups, some at a time. */
const lookupsPerPage = 10;

/** What a search has found each grant of a log to be; undefined where it does not tell. */
export type SearchedStates = (index: number) => FoundState | undefined;

export interface SearchStatesOptions {
  readonly stopped: () => boolean;
  /** Is called before the search, if there is one. @param total how many grants it will read */
  readonly onSearch: (total: number) => void;
}

/**
 * Reads all grants of the organization, where that is quicker than to look up each grant of the log. The
 * search has no conditions, so that what it does not show is not there, whatever the log says about it. An
 * account that may read the grants of some projects only is not relied on to be shown the others.
 *
 * @returns undefined when single lookups are quicker, or `stopped`, or when grants might be hidden.
 * @throws ConnectError when the search fails.
 */
export async function searchStates(
  lookup: Lookup,
  content: LogContent,
  { stopped, onSearch }: SearchStatesOptions,
): Promise<SearchedStates | undefined> {
  const { size } = content.grants;
  if (size < pageSize) {
    return undefined;
  }
  const { total } = await lookup.searchGrants([], { offset: 0, limit: 1 });
  if ((total / pageSize) * lookupsPerPage > size) {
    return undefined;
  }
  // Where that cannot be seen, single lookups are certain.
  if (!(await lookup.mayReadAllGrants().catch(() => false))) {
    return undefined;
  }
  onSearch(total);
  const found = new Uint8Array(size);
  const replaced = new Map<string, number>();
  for (let index = 0; index < size; index++) {
    const { grantId } = expectationOf(content, index);
    if (grantId !== content.grants.grantId(index)) {
      replaced.set(grantId, index);
    }
  }
  const search = searchAllGrants(lookup, [], { pageSize });
  for (;;) {
    const { done, value } = await search.next();
    if (done) {
      // From a list that kept changing a grant may be missing that is there.
      const missing = value.unstable ? undefined : "gone";
      return (index) => (found[index] === 0 ? missing : states[found[index] ?? 0]);
    }
    if (stopped()) {
      await search.return({ total, unstable: true });
      return undefined;
    }
    const state = Math.max(1, states.indexOf(value.state as FoundState));
    for (const index of [
      content.grants.indexOf(value.grantId),
      replaced.get(value.grantId) ?? -1,
    ]) {
      // A restored grant is there under its new id.
      if (index !== -1 && expectationOf(content, index).grantId === value.grantId) {
        found[index] = state;
      }
    }
  }
}

/** By their numbers in `found`: not shown, not told, and the rest. */
const states: readonly (FoundState | undefined)[] = [undefined, undefined, "active", "inactive"];
