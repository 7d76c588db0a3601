import type { GrantRecord } from "./grant-record.js";
import { type SearchEnd, searchAllGrants } from "./grant-search.js";
import type { GrantQuery, Lookup, Page } from "./lookup.js";
import { resolveLoginName, resolveProject } from "./resolve.js";
import { Group, nameKey, shownFlag, type Value } from "./selector-values.js";
import type { Selectors } from "./selectors.js";
import { StringTable } from "./string-table.js";

/** The result of a selection. */
export interface SelectionEnd {
  /** Values that match no grant of the selection, as they were given. */
  readonly unmatched: readonly string[];
  /** Whether the grants kept changing while they were read, so that some may be missing. */
  readonly unstable: boolean;
}

const equals = "TEXT_QUERY_METHOD_EQUALS";
const equalsIgnoreCase = "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE";
/** From this many searches on, reading everything may take fewer requests. */
const manySearches = 20;
const pageSize = 1000;
const searchesAtATime = 4;

/**
 * Reads the grants that match the selectors, each once. Each grant is also matched here: anything else that
 * the server returns is omitted.
 *
 * @throws UsageError when several projects have the given name; ConnectError when a search fails.
 */
export async function* selectGrants(
  lookup: Lookup,
  selectors: Selectors,
): AsyncGenerator<GrantRecord, SelectionEnd> {
  const groups = await toGroups(lookup, selectors);
  const isMeant = filterOf(selectors);
  const unmatched = new Set(groups.flatMap(({ values }) => values.map(({ shown }) => shown)));
  const seen = new StringTable();
  let unstable = false;
  const searches = await plan(lookup, selectors, groups);
  const firstPages = firstPagesAhead(lookup, searches);
  try {
    for (const [index, queries] of searches.entries()) {
      const search = searchAllGrants(lookup, queries, {
        ...{ pageSize, seen },
        firstPage: firstPages.take(index),
      });
      let end: SearchEnd | undefined;
      while (end === undefined) {
        const { done, value } = await search.next();
        if (done) {
          end = value;
        } else if (isMeant(value)) {
          const matched = groups.map((group) => group.matches(value));
          if (matched.every(({ length }) => length > 0)) {
            for (const shown of matched.flat()) {
              unmatched.delete(shown);
            }
            yield value;
          }
        }
      }
      unstable ||= end.unstable;
    }
  } finally {
    await firstPages.end();
  }
  return { unmatched: [...unmatched], unstable };
}

/** Asks for the first pages of the next searches, which for users are the only ones, while one is used. */
function firstPagesAhead(lookup: Lookup, searches: readonly (readonly GrantQuery[])[]) {
  const pages = new Map<number, Promise<Page<GrantRecord>>>();
  let asked = 0;
  return {
    take(index: number): Promise<Page<GrantRecord>> | undefined {
      while (asked < Math.min(searches.length, index + searchesAtATime)) {
        const page = lookup.searchGrants(searches[asked] ?? [], { offset: 0, limit: pageSize });
        // Looked at when its turn comes.
        page.catch(() => undefined);
        pages.set(asked, page);
        asked += 1;
      }
      const page = pages.get(index);
      pages.delete(index);
      return page;
    },
    /** Resolves when no request is in flight. */
    async end(): Promise<void> {
      asked = searches.length;
      await Promise.allSettled(pages.values());
    },
  };
}

/** One group for each flag: a grant must match one value of each group. */
async function toGroups(lookup: Lookup, selectors: Selectors): Promise<Group[]> {
  const { users, emails, loginNames, projects, roles } = selectors;
  const resolvedNames: Value[] = [];
  for (const loginName of loginNames) {
    resolvedNames.push(await resolveLoginName(lookup, loginName));
  }
  const resolvedProjects: Value[] = [];
  for (const project of projects) {
    resolvedProjects.push(await resolveProject(lookup, project));
  }
  return [
    new Group(
      ({ userId }) => [userId],
      users.map((userId) => ({
        shown: `--user ${userId}`,
        keys: [userId],
        queries: [{ userIdQuery: { userId } }],
      })),
    ),
    new Group(
      ({ email }) => [nameKey(email)],
      emails.map((email) => ({
        shown: `--email ${email}`,
        keys: [nameKey(email)],
        queries: [{ emailQuery: { email, method: equalsIgnoreCase } }],
      })),
    ),
    new Group(
      ({ userId, preferredLoginName }) => [userId, nameKey(preferredLoginName)],
      resolvedNames,
    ),
    new Group(({ projectId }) => [projectId], resolvedProjects),
    new Group(
      ({ roleKeys }) => roleKeys,
      roles.map((roleKey) => ({
        shown: shownFlag("role", roleKey),
        keys: [roleKey],
        queries: [{ roleKeyQuery: { roleKey, method: equals } }],
      })),
    ),
  ].filter(({ values }) => values.length > 0);
}

function filterOf(selectors: Selectors): (record: GrantRecord) => boolean {
  const { state, userType, createdBeforeMs, changedBeforeMs } = selectors;
  const isBefore = (date: string | undefined, limitMs: number | undefined) =>
    limitMs === undefined || Date.parse(date ?? "") < limitMs;
  return (record) =>
    (state === undefined || record.state === state) &&
    (userType === undefined || record.userType === userType) &&
    isBefore(record.creationDate, createdBeforeMs) &&
    isBefore(record.changeDate, changedBeforeMs);
}

/** Which searches find all matching grants: the values of one flag are searched one by one. */
async function plan(
  lookup: Lookup,
  { userType }: Selectors,
  groups: readonly Group[],
): Promise<(readonly GrantQuery[])[]> {
  const base: GrantQuery[] = [];
  if (userType === "human" || userType === "machine") {
    base.push({ userTypeQuery: { type: userType === "human" ? "TYPE_HUMAN" : "TYPE_MACHINE" } });
  }
  let each: readonly GrantQuery[] | undefined;
  for (const group of groups) {
    const queries = group.values.flatMap((value) => value.queries);
    const [only] = queries;
    if (queries.length === 1 && only !== undefined) {
      base.push(only);
    } else {
      // Flags are ordered from the most selective to the least.
      each ??= queries;
    }
  }
  if (each === undefined) {
    return [base];
  }
  if (each.length >= manySearches) {
    const { total } = await lookup.searchGrants(base, { offset: 0, limit: 1 });
    if (total / pageSize <= each.length) {
      return [base];
    }
  }
  return each.map((query) => [...base, query]);
}
