import { ConnectError } from "@connectrpc/connect";
import { inParallel } from "../pace.js";
import { type GrantQuery, isSortable, type Lookup, type Page } from "./lookup.js";
import type { GrantRecord } from "./record.js";

/** Grants of persons with long names fit: 800 bytes each in the 4 MiB of ZITADEL v2.70 over JSON. */
const pageSize = 5000;
/** More in one response would take too much memory, here and in the server. */
const mostInOneResponse = 100_000;
const mostInResponseOfV4 = 20_000;
/** What may be added between two requests. */
const slack = 1000;
/** The sizes of the pages of each pass: which grants pages leave out depends on their size. */
const passes = [1, 0.73, 0.59, 0.41];
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
 * the same ones each time. So it is read in one response where one can hold it. Where none can, it is read
 * page by page, in several passes with pages of other sizes; what is still missing then is found in the list of
 * `listAuthorizations`, which has an order, and looked up one by one.
 *
 * Whether the list is complete is the caller's question to `isComplete`: a number of different grants that
 * equals the total is not enough if the list has changed in between, so it is read again then.
 *
 * @param orgId of the calls, if known.
 */
export async function* readList(
  lookup: Lookup,
  queries: readonly GrantQuery[],
  orgId: string | null,
): AsyncGenerator<GrantRecord, ReadingEnd> {
  const seen = new Set<string>();
  function* fresh(records: readonly GrantRecord[]) {
    for (const record of records) {
      if (!seen.has(record.grantId)) {
        seen.add(record.grantId);
        yield record;
      }
    }
  }
  let size = pageSize;
  let page: Page | undefined;
  for (;;) {
    page = await lookup.listGrants(queries, { offset: 0, limit: size });
    if (page !== undefined) {
      break;
    }
    size = Math.max(1, Math.floor(size / 2));
  }
  if (page.records.length < page.total && page.total <= mostInOneResponse) {
    // The same list in one response is one state of it.
    page = (await lookup.listGrants(queries, { offset: 0, limit: page.total + slack })) ?? page;
  }
  if (page.records.length >= page.total) {
    yield* fresh(page.records);
    return { read: seen.size, total: page.total, changed: false, hidden: false };
  }

  let total = page.total;
  let changed = false;
  let hidden = false;
  for (const [pass, part] of passes.entries()) {
    const before = seen.size;
    const versions = new Set<string>();
    const limit = Math.max(1, Math.floor(size * part));
    for (let offset = 0; ; ) {
      const next = await lookup.listGrants(queries, { offset, limit });
      if (next === undefined) {
        // Grants with longer names than those of the first page.
        size = Math.max(1, Math.floor(size / 2));
        break;
      }
      versions.add(`${next.total} ${next.version}`);
      total = next.total;
      yield* fresh(next.records);
      offset += next.records.length;
      if (next.records.length === 0 || offset >= total) {
        break;
      }
    }
    const news = seen.size - before;
    // A pass that brings nothing new, after one that did not miss anything, shows what has stayed.
    changed = versions.size > 1 && (pass === 0 || news > 0);
    if (seen.size === total && !changed) {
      break;
    }
    if (pass > 0 && seen.size < total && queries.every(isSortable)) {
      const found = await missing(lookup, queries, orgId, seen);
      hidden = found?.hidden ?? false;
      for (const grantId of found?.ids ?? []) {
        const record = await lookup.getGrant(grantId);
        yield* fresh(record === undefined ? [] : [record]);
      }
    }
    if (seen.size === total && !changed) {
      break;
    }
  }
  return { read: seen.size, total, changed, hidden };
}

/** The grants that the ordered list has and `seen` has not; undefined where there is no such list. */
async function missing(
  lookup: Lookup,
  queries: readonly GrantQuery[],
  orgId: string | null,
  seen: ReadonlySet<string>,
): Promise<{ readonly ids: readonly string[]; readonly hidden: boolean } | undefined> {
  const ids: string[] = [];
  if (orgId === null) {
    return undefined;
  }
  for (let offset = 0, shown = 0; ; offset += authorizationsInPage) {
    const page = await lookup.listAuthorizations(
      { organizationId: orgId, queries },
      { offset, limit: authorizationsInPage },
    );
    if (page === undefined) {
      return undefined;
    }
    shown += page.records.length;
    for (const { grantId } of page.records) {
      if (!seen.has(grantId)) {
        ids.push(grantId);
      }
    }
    if (offset + authorizationsInPage >= page.total) {
      // Without the permission to read them all, rows are left out without an error.
      return { ids, hidden: shown < page.total };
    }
  }
}

/** Up to this many grants are looked up one by one without looking for a cheaper way. */
const fewGrants = 20;
const lookupsAtATime = 8;
/** Milliseconds that one of these takes, roughly: several lookups at a time, and a page of a list. */
const lookupMs = 8;
const pageMs = 600;

export interface ReadEachOptions {
  readonly orgId: string | null;
  /** How many requests a second are allowed, if they are limited. */
  readonly maxPerSecond?: number | undefined;
  /** Whether everything about a grant is needed: what `listAuthorizations` does not tell is looked up. */
  readonly whole?: boolean | undefined;
  /** Also what only single lookups and the list tell: emails. */
  readonly withEmail?: boolean | undefined;
  readonly stopped?: (() => boolean) | undefined;
  /** Told before it starts: what is read, and about how long that takes. */
  readonly onStart?: ((what: string, ms: number) => void) | undefined;
  /** Called for a grant that cannot be looked up, which is left out then. Rethrows what concerns all of them. */
  readonly onFailure?: ((grantId: string, error: ConnectError) => void) | undefined;
}

/** A grant as the server shows it: undefined if it is not shown. */
export type Shown = readonly [grantId: string, record: GrantRecord | undefined];

/**
 * Reads what the server shows of each grant, by what is cheaper: up to 1,000 ids a request where there is
 * `listAuthorizations`, the whole list of the organization, or one request for each. In no order.
 */
export async function* readEach(
  lookup: Lookup,
  grantIds: readonly string[],
  options: ReadEachOptions,
): AsyncGenerator<readonly Shown[]> {
  const { orgId, maxPerSecond = Number.POSITIVE_INFINITY, onStart, stopped, withEmail } = options;
  const count = grantIds.length;
  const time = (requests: number, each: number) => requests * Math.max(each, 1000 / maxPerSecond);
  const lookups = { ms: time(count, lookupMs), what: `${count} single lookups` };
  if (count <= fewGrants) {
    onStart?.(lookups.what, lookups.ms);
    yield* byLookups(lookup, grantIds, options);
    return;
  }
  // What an account may not see must not count as gone.
  const readsAll = await lookup.mayReadAllGrants().catch(() => false);
  const total = (readsAll && (await lookup.listGrants([], { offset: 0, limit: 1 }))?.total) || 0;
  const hasOrder =
    withEmail !== true &&
    (await lookup.listAuthorizations(
      { grantIds: grantIds.slice(0, 1) },
      { offset: 0, limit: 1 },
    )) !== undefined;
  // ZITADEL v4 has no response for more: two passes, and the ordered list.
  const passed = hasOrder && total > mostInResponseOfV4 ? 2 + pageSize / authorizationsInPage : 1;
  const list = {
    ms: readsAll ? time(Math.max(1, total / pageSize) * passed, pageMs) : Number.POSITIVE_INFINITY,
    what: `all ${total} grants of the organization`,
  };
  const requests = Math.ceil(count / authorizationsInPage);
  const ordered = { ms: time(requests, pageMs), what: `${requests} requests of up to 1,000 ids` };
  const isOrdered = hasOrder && ordered.ms < Math.min(list.ms, lookups.ms);
  if (isOrdered) {
    onStart?.(ordered.what, ordered.ms);
    for (let from = 0; from < count && !stopped?.(); from += authorizationsInPage) {
      yield* byAuthorizations(
        lookup,
        grantIds.slice(from, from + authorizationsInPage),
        readsAll,
        options,
      );
    }
  } else if (list.ms < lookups.ms) {
    onStart?.(list.what, list.ms);
    yield* byList(lookup, grantIds, orgId, options);
  } else {
    onStart?.(lookups.what, lookups.ms);
    yield* byLookups(lookup, grantIds, options);
  }
}

async function* byAuthorizations(
  lookup: Lookup,
  ids: readonly string[],
  readsAll: boolean,
  options: ReadEachOptions,
): AsyncGenerator<readonly Shown[]> {
  const page = await lookup.listAuthorizations(
    { grantIds: ids },
    { offset: 0, limit: authorizationsInPage },
  );
  const shown = new Map((page?.records ?? []).map((record) => [record.grantId, record]));
  const alone: string[] = [];
  const settled: Shown[] = [];
  for (const grantId of ids) {
    const record = shown.get(grantId);
    const isTold =
      record === undefined ? readsAll : !options.whole || record.grantedOrgId === undefined;
    if (isTold) {
      settled.push([grantId, record]);
    } else {
      alone.push(grantId);
    }
  }
  yield settled;
  yield* byLookups(lookup, alone, options);
}

async function* byList(
  lookup: Lookup,
  grantIds: readonly string[],
  orgId: string | null,
  options: ReadEachOptions,
): AsyncGenerator<readonly Shown[]> {
  const left = new Set(grantIds);
  const list = readList(lookup, [], orgId);
  for (;;) {
    const { done, value } = await list.next();
    if (options.stopped?.()) {
      await list.return({ read: 0, total: 0, changed: true, hidden: false });
      return;
    }
    if (done) {
      if (isComplete(value)) {
        yield [...left].map((grantId): Shown => [grantId, undefined]);
      } else {
        yield* byLookups(lookup, [...left], options);
      }
      return;
    }
    if (left.delete(value.grantId)) {
      yield [[value.grantId, value]];
    }
  }
}

async function* byLookups(
  lookup: Lookup,
  grantIds: readonly string[],
  { stopped, onFailure }: ReadEachOptions,
): AsyncGenerator<readonly Shown[]> {
  const size = lookupsAtATime * 8;
  for (let from = 0; from < grantIds.length && !stopped?.(); from += size) {
    const chunk = grantIds.slice(from, from + size);
    const settled: Shown[] = [];
    await inParallel(chunk, lookupsAtATime, async (grantId) => {
      try {
        settled.push([grantId, await lookup.getGrant(grantId)]);
      } catch (reason) {
        const error = ConnectError.from(reason);
        if (onFailure === undefined) {
          throw error;
        }
        onFailure(grantId, error);
      }
    });
    // In the order of the ids.
    const records = new Map(settled);
    yield chunk.filter((id) => records.has(id)).map((id): Shown => [id, records.get(id)]);
  }
}
