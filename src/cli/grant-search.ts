import type { GrantRecord } from "./grant-record.js";
import type { GrantQuery, Lookup, Page } from "./lookup.js";
import { StringTable } from "./string-table.js";

export interface SearchOptions {
  /** Grants in a page; 1000 when not given. */
  readonly pageSize?: number | undefined;
  /** Grants that other searches have already yielded: they are omitted. */
  readonly seen?: StringTable | undefined;
  /** The first page, where it was asked for before. */
  readonly firstPage?: Promise<Page<GrantRecord>> | undefined;
}

/** The result of a complete search. */
export interface SearchEnd {
  /** The number of grants that the server reports. */
  readonly total: number;
  /** Whether the list kept changing while it was read, so that some may be missing. */
  readonly unstable: boolean;
}

/** How often a list that keeps changing is read. */
const mostPasses = 3;

/**
 * Reads a search to its end, each grant once. Pages are by offset: what is added or removed meanwhile
 * shifts the rest, so the list is read again until it was the same from the first page to the last.
 */
export async function* searchAllGrants(
  lookup: Lookup,
  queries: readonly GrantQuery[],
  { pageSize = 1000, seen = new StringTable(), firstPage }: SearchOptions = {},
): AsyncGenerator<GrantRecord, SearchEnd> {
  for (let pass = 1; ; pass += 1) {
    // The ids of a million grants take much memory: they are not kept twice where once is enough.
    const inThisPass = seen.size === 0 ? seen : new StringTable();
    const load = (offset: number) => lookup.searchGrants(queries, { offset, limit: pageSize });
    let page = await ((pass === 1 ? firstPage : undefined) ?? load(0));
    const { total } = page;
    let changed = false;
    for (let offset = 0; ; ) {
      offset += page.records.length;
      changed ||= page.total !== total;
      const isLast = page.records.length === 0 || offset >= page.total;
      // The next page is requested while this one is used. Its error is handled when its turn comes.
      const next: Promise<Page<GrantRecord> | { readonly failure: unknown }> | undefined = isLast
        ? undefined
        : load(offset).catch((failure: unknown) => ({ failure }));
      for (const record of page.records) {
        const before = seen.size;
        seen.add(record.grantId);
        inThisPass.add(record.grantId);
        if (seen.size > before) {
          yield record;
        }
      }
      const loaded = await next;
      if (loaded === undefined) {
        break;
      }
      if ("failure" in loaded) {
        throw loaded.failure;
      }
      page = loaded;
    }
    const unstable = changed || inThisPass.size !== total;
    if (!unstable || pass >= mostPasses) {
      return { total: page.total, unstable };
    }
  }
}
