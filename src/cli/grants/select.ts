import { Code } from "@connectrpc/connect";
import { describeError } from "../../errors/describe.js";
import { UsageError } from "../io.js";
import { printable } from "../terminal.js";
import type { GrantQuery, Lookup, Page, UserRecord } from "./lookup.js";
import type { GrantRecord } from "./record.js";
import type { Selectors } from "./selectors.js";

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
const pageSize = 5000;
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
  const seen = new Set<string>();
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

const ignoreCase = "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE";

/**
 * The grants of a project, by its id or its exact name.
 *
 * @throws UsageError when the name fits several projects.
 */
export async function resolveProject(lookup: Lookup, project: string): Promise<Value> {
  const byId: GrantQuery = { projectIdQuery: { projectId: project } };
  const found = new Map<string, string>();
  if ((await lookup.searchGrants([byId], { offset: 0, limit: 1 })).records.length > 0) {
    found.set(project, "its id");
  }
  // To the end: another project with the same name may come last.
  const named = searchAllGrants(lookup, [
    { projectNameQuery: { projectName: project, method: "TEXT_QUERY_METHOD_EQUALS" } },
  ]);
  for await (const { projectId, projectName } of named) {
    if (projectName === project && !found.has(projectId)) {
      found.set(projectId, "its name");
    }
  }
  if (found.size > 1) {
    throw new UsageError(
      `--project ${printable(project)} fits several projects: ${[...found].map(([id, what]) => `${id} by ${what}`).join(", ")}. Give the id of the one that is meant.`,
    );
  }
  const [projectId = project] = found.keys();
  return {
    shown: shownFlag("project", project),
    keys: [projectId],
    queries: [{ projectIdQuery: { projectId } }],
  };
}

/**
 * The grants of the user with a login name. A user has several login names, and grants show the preferred
 * one, so users are searched first; users of other organizations are found by their grants.
 */
export async function resolveLoginName(lookup: Lookup, loginName: string): Promise<Value> {
  const query = { loginNameQuery: { loginName, method: ignoreCase } } as const;
  let users: readonly UserRecord[] = [];
  try {
    users = (await lookup.searchUsers([query], { offset: 0, limit: 100 })).records;
  } catch (error) {
    // A role may allow reading grants but not users.
    if (describeError(error).code !== Code.PermissionDenied) {
      throw error;
    }
  }
  const ids = new Set(users.map(({ userId }) => userId));
  const at = loginName.lastIndexOf("@");
  const names = at > 0 ? [loginName, loginName.slice(0, at)] : [loginName];
  return {
    shown: `--login-name ${loginName}`,
    keys: [...ids, nameKey(loginName)],
    queries:
      ids.size > 0
        ? [...ids].map((userId) => ({ userIdQuery: { userId } }))
        : names.map((userName) => ({ userNameQuery: { userName, method: ignoreCase } })),
  };
}

/** A value of a selector. */
export interface Value {
  /** As it was given: `--email jane@example.com`. */
  readonly shown: string;
  /** A grant that meets one of them matches. */
  readonly keys: readonly string[];
  /** Together they find all grants that match, and possibly others. */
  readonly queries: readonly GrantQuery[];
}

/** A flag and its value, for messages; in quotes where the space around the value would not be seen. */
export function shownFlag(flag: string, value: string): string {
  return `--${flag} ${value === value.trim() ? value : JSON.stringify(value)}`;
}

/** The values of one flag: a grant must have one of them. */
export class Group {
  readonly values: readonly Value[];
  readonly #keysOf: (record: GrantRecord) => readonly string[];
  readonly #byKey = new Map<string, string[]>();

  constructor(keysOf: (record: GrantRecord) => readonly string[], values: readonly Value[]) {
    this.#keysOf = keysOf;
    this.values = values;
    for (const { shown, keys } of values) {
      for (const key of keys) {
        this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), shown]);
      }
    }
  }

  /** The values that a grant matches, as they were given. */
  matches(record: GrantRecord): string[] {
    return this.#keysOf(record).flatMap((key) => this.#byKey.get(key) ?? []);
  }
}

/** Names and addresses are compared case-insensitively; no id looks like one. */
export function nameKey(name: string | undefined): string {
  return `name ${name?.toLowerCase() ?? ""}`;
}

export interface SearchOptions {
  /** Grants in a page; 5000 when not given. */
  readonly pageSize?: number | undefined;
  /** Grants that other searches have already yielded: they are omitted. */
  readonly seen?: Set<string> | undefined;
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
  { pageSize = 5000, seen = new Set<string>(), firstPage }: SearchOptions = {},
): AsyncGenerator<GrantRecord, SearchEnd> {
  for (let pass = 1; ; pass += 1) {
    // The ids of a million grants take much memory: they are not kept twice where once is enough.
    const inThisPass = seen.size === 0 ? seen : new Set<string>();
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
