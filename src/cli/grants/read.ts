import { inParallel } from "../pace.js";
import { duration } from "../progress.js";
import { type GrantQuery, isSortable, type Lookup, type Page } from "./lookup.js";
import type { GrantRecord } from "./record.js";

/** Grants of persons with long names fit: 800 bytes each in the 4 MiB of ZITADEL v2.70 over JSON. */
const pageSize = 5000;
/** Of many pages. What one of 5,000 is decoded to grows old: a million grants took 999 MB so, and 440 with these. */
const sizeOfMany = 2000;
/** More in one response would take too much memory, here and in the server. */
const mostInOneResponse = 100_000;
const mostInResponseOfV4 = 20_000;
/** What may be added between two requests. */
const slack = 1000;
/** Sizes of pages, in parts of the first pass's: which grants pages leave out depends on their size. */
const furtherPasses = [0.73, 0.59, 0.41];
const authorizationsInPage = 1000;

/** How a list was read. */
export interface ReadingEnd {
  /** How many different grants were read. */
  readonly read: number;
  /** How many there are, as the server counts them. */
  readonly total: number;
  /** Whether grants were added or removed in between, so that others may have been missed. */
  readonly changed: boolean;
  /** Whether the account may not see some of them. */
  readonly hidden: boolean;
}

export function isComplete({ read, total, changed }: ReadingEnd): boolean {
  return read === total && !changed;
}

/**
 * Reads all grants that match, each once. ZITADEL's list has no order: its pages overlap, and leave out grants,
 * the same ones each time. So it is read in one response where one can hold it. Where none can, ZITADEL v4 has
 * the ordered list of `listAuthorizations`: it tells which grants there are, and what pages have left out is
 * looked up one by one. (Its rows have no emails, so pages are still needed.) ZITADEL v2.70 has no such list:
 * it is read in several passes there, with pages of other sizes.
 *
 * A list that needs pages is read without the conditions that the ordered list does not know: the caller omits what
 * does not match.
 *
 * Whether the list is complete is the caller's question to `isComplete`.
 *
 * @param orgId of the calls.
 */
export async function* readList(
  lookup: Lookup,
  queries: readonly GrantQuery[],
  orgId: string,
): AsyncGenerator<readonly GrantRecord[], ReadingEnd> {
  const seen = new Set<string>();
  const fresh = (records: readonly GrantRecord[]) =>
    records.filter(({ grantId }) => seen.size < seen.add(grantId).size);
  let limit = pageSize;
  const pageAt = async (offset: number): Promise<Page> => {
    for (;;) {
      const page = await lookup.listGrants(queries, { offset, limit });
      if (page !== undefined) {
        return page;
      }
      limit = Math.max(1, Math.floor(limit / 2));
    }
  };
  let page = await pageAt(0);
  if (page.records.length < page.total && page.total <= mostInOneResponse) {
    // The same list in one response is one state of it.
    page = (await lookup.listGrants(queries, { offset: 0, limit: page.total + slack })) ?? page;
  }
  let { total } = page;
  if (page.records.length >= total) {
    yield fresh(page.records);
    return { read: seen.size, total, changed: false, hidden: false };
  }
  const sortable = queries.filter(isSortable);
  if (sortable.length < queries.length) {
    return yield* readList(lookup, sortable, orgId);
  }
  /** Returns whether the list has changed in between; what brings nothing new shows what has stayed. */
  const readPages = async function* (
    size: number,
  ): AsyncGenerator<readonly GrantRecord[], boolean> {
    limit = Math.max(1, Math.floor(size));
    const before = seen.size;
    const versions = new Set<string>();
    for (let offset = 0; offset < total; ) {
      page = await pageAt(offset);
      versions.add(`${page.total} ${page.version}`);
      total = page.total;
      offset += page.records.length;
      yield fresh(page.records);
      if (page.records.length === 0) {
        break;
      }
    }
    return versions.size > 1 && (before === 0 || seen.size > before);
  };
  const size = Math.min(limit, sizeOfMany);
  let changed = yield* readPages(size);
  const ordered = await orderedList(lookup, queries, orgId, seen);
  if (ordered === undefined) {
    for (const part of furtherPasses) {
      // A number that equals the total is not enough if the list has changed in between.
      if (seen.size === total && !changed) {
        break;
      }
      changed = yield* readPages(size * part);
    }
    return { read: seen.size, total, changed, hidden: false };
  }
  for await (const shown of byLookups(lookup, ordered.missing)) {
    yield fresh([...shown.values()].filter((record) => record !== undefined));
  }
  const { missing: _, ...end } = ordered;
  // Without the permission to read them all, rows are left out without an error.
  return { ...end, hidden: end.read < end.total };
}

/** The grants that the ordered list has and `seen` has not; undefined where there is no such list. */
async function orderedList(
  lookup: Lookup,
  queries: readonly GrantQuery[],
  organizationId: string,
  seen: ReadonlySet<string>,
) {
  const missing: string[] = [];
  let last: string | undefined;
  let read = 0;
  let changed = false;
  for (let offset = 0; ; offset += authorizationsInPage - 1) {
    const page = await lookup.listAuthorizations(
      { organizationId, queries },
      { offset, limit: authorizationsInPage },
    );
    if (page === undefined) {
      return undefined;
    }
    const ids = page.records.map(({ grantId }) => grantId);
    // The last row comes again, unless rows before it were removed: then as many were passed over.
    changed ||= offset > 0 && ids[0] !== last;
    const fresh = ids.filter((id) => id !== last);
    read += fresh.length;
    missing.push(...fresh.filter((id) => !seen.has(id)));
    last = ids.at(-1);
    if (offset + authorizationsInPage >= page.total) {
      return { missing, read, total: page.total, changed };
    }
  }
}

/** Up to this many grants are looked up one by one without looking for a cheaper way. */
const fewGrants = 20;
const lookupsAtATime = 8;
/** Milliseconds that one of these takes, roughly: several lookups at a time, and a page of a list. */
const lookupMs = 8;
const pageMs = 600;
/** What takes longer than this is announced. */
const longMs = 10_000;

export interface ReadEachOptions {
  readonly orgId: string;
  /** How many requests a second are allowed, if they are limited. */
  readonly maxPerSecond?: number | undefined;
  /**
   * What must be known beside user, roles and state, and `listAuthorizations` does not tell: project grants, or
   * emails as well.
   */
  readonly needs?: "project grants" | "emails" | undefined;
  /** Told before it starts if it takes long: what is read, and about how long. */
  readonly onLong?: ((what: string) => void) | undefined;
}

/** Grants as the server shows them: undefined if it does not. */
export type Shown = ReadonlyMap<string, GrantRecord | undefined>;

/**
 * Reads what the server shows of each grant, by what is cheaper: up to 1,000 ids a request where there is
 * `listAuthorizations`, the whole list of the organization, or one request for each. In no order.
 */
export async function* readEach(
  lookup: Lookup,
  grantIds: readonly string[],
  { orgId, maxPerSecond = Number.POSITIVE_INFINITY, needs, onLong }: ReadEachOptions,
): AsyncGenerator<Shown> {
  const count = grantIds.length;
  const time = (requests: number, ms: number) => requests * Math.max(ms, 1000 / maxPerSecond);
  const ways = [
    {
      ms: time(count, lookupMs),
      what: `${count} single lookups`,
      read: () => byLookups(lookup, grantIds),
    },
  ];
  if (count > fewGrants) {
    // What an account may not see must not count as gone.
    const readsAll = await lookup.mayReadAllGrants().catch(() => false);
    const hasOrder =
      needs !== "emails" &&
      (await lookup.listAuthorizations(
        { grantIds: grantIds.slice(0, 1) },
        { offset: 0, limit: 1 },
      )) !== undefined;
    const requests = Math.ceil(count / authorizationsInPage);
    if (hasOrder) {
      ways.push({
        ms: time(requests, pageMs),
        what: `${requests} requests of up to 1,000 ids`,
        read: () => byAuthorizations(lookup, grantIds, readsAll, needs !== undefined),
      });
    }
    if (readsAll) {
      const total = (await lookup.listGrants([], { offset: 0, limit: 1 }))?.total ?? 0;
      // ZITADEL v4 has no response for more: pages, and the ordered list.
      const pages =
        hasOrder && total > mostInResponseOfV4 ? 1 + pageSize / authorizationsInPage : 1;
      ways.push({
        ms: time(Math.max(1, total / pageSize) * pages, pageMs),
        what: `all ${total} grants of the organization`,
        read: () => byList(lookup, grantIds, orgId),
      });
    }
  }
  const cheapest = ways.reduce((best, way) => (way.ms < best.ms ? way : best));
  if (cheapest.ms > longMs) {
    onLong?.(`${cheapest.what}, about ${duration(cheapest.ms)}`);
  }
  yield* cheapest.read();
}

async function* byAuthorizations(
  lookup: Lookup,
  grantIds: readonly string[],
  readsAll: boolean,
  needsProjectGrants: boolean,
): AsyncGenerator<Shown> {
  for (const ids of chunksOf(grantIds, authorizationsInPage)) {
    const page = await lookup.listAuthorizations(
      { grantIds: ids },
      { offset: 0, limit: authorizationsInPage },
    );
    // Of a request that did not get through, or whose rows are not all shown, nothing is told of the others.
    const isWhole = readsAll && page !== undefined && page.records.length >= page.total;
    const listed = new Map(page?.records.map((record) => [record.grantId, record]));
    const shown = new Map<string, GrantRecord | undefined>();
    const alone: string[] = [];
    for (const grantId of ids) {
      const record = listed.get(grantId);
      const isTold =
        record === undefined ? isWhole : !needsProjectGrants || record.grantedOrgId === undefined;
      if (isTold) {
        shown.set(grantId, record);
      } else {
        alone.push(grantId);
      }
    }
    yield shown;
    yield* byLookups(lookup, alone);
  }
}

async function* byList(
  lookup: Lookup,
  grantIds: readonly string[],
  orgId: string,
): AsyncGenerator<Shown> {
  const left = new Set(grantIds);
  const list = readList(lookup, [], orgId);
  let next = await list.next();
  for (; !next.done; next = await list.next()) {
    const meant = next.value.filter(({ grantId }) => left.delete(grantId));
    yield new Map(meant.map((record) => [record.grantId, record]));
  }
  if (!isComplete(next.value)) {
    yield* byLookups(lookup, [...left]);
    return;
  }
  for (const ids of chunksOf([...left], authorizationsInPage)) {
    yield noneOf(ids);
  }
}

async function* byLookups(lookup: Lookup, grantIds: readonly string[]): AsyncGenerator<Shown> {
  for (const ids of chunksOf(grantIds, lookupsAtATime * 8)) {
    const shown = noneOf(ids);
    await inParallel(ids, lookupsAtATime, async (grantId) => {
      shown.set(grantId, await lookup.getGrant(grantId));
    });
    yield shown;
  }
}

function noneOf(grantIds: readonly string[]) {
  return new Map(grantIds.map((id): [string, GrantRecord | undefined] => [id, undefined]));
}

function* chunksOf(ids: readonly string[], size: number): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += size) {
    yield ids.slice(from, from + size);
  }
}
