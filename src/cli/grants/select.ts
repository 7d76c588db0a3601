import { UsageError } from "../io.js";
import type { Selectors } from "../log/entry.js";
import { counted, grouped, printable } from "../terminal.js";
import type { GrantQuery, Lookup } from "./lookup.js";
import { isComplete, type ReadingEnd, readList } from "./read.js";
import { type GrantRecord, personOf } from "./record.js";
import { isEmail } from "./selectors.js";

/** The result of a selection. */
export interface SelectionEnd extends ReadingEnd {
  /** How many grants match. */
  readonly matched: number;
  /** Values that match no grant of the selection, as they were given. */
  readonly unmatched: readonly string[];
  /** Emails whose grants are of several users, with these. */
  readonly ambiguous: readonly string[];
}

const searchesAtATime = 4;

/**
 * Reads the grants that match the selectors, each once. Each grant is also matched here: anything else that
 * the server returns is omitted.
 *
 * @param orgId of the calls.
 * @throws UsageError when several projects have the given name; ConnectError when a search fails.
 */
export async function* selectGrants(
  lookup: Lookup,
  selectors: Selectors,
  orgId: string,
): AsyncGenerator<GrantRecord, SelectionEnd> {
  const groups = await toGroups(lookup, selectors, orgId);
  const byKey = groups.map((values) => Map.groupBy(values, ({ query }) => keyOf(query)));
  const { state, userType } = selectors;
  const isMeant = (record: GrantRecord) =>
    record.state === (state ?? record.state) && record.userType === (userType ?? record.userType);
  const unmatched = new Set(groups.flat().map(({ shown }) => shown));
  const people = new Map<string, Map<string, string>>();
  const searches = plan(selectors, groups);
  let matched = 0;
  // One search has each grant once.
  const seen = searches.length > 1 ? new Set<string>() : undefined;
  const sum = { read: 0, total: 0, changed: false, hidden: false };
  for await (const records of readSearches(lookup, searches, orgId, sum)) {
    for (const record of records) {
      const values = byKey.map((group) => keysOf(record).flatMap((key) => group.get(key) ?? []));
      if (seen?.has(record.grantId) || !isMeant(record) || values.some((of) => of.length === 0)) {
        continue;
      }
      seen?.add(record.grantId);
      for (const { shown, query } of values.flat()) {
        unmatched.delete(shown);
        if (query[0] === "email") {
          const users = people.get(shown) ?? new Map<string, string>();
          people.set(shown, users.set(record.userId, personOf(record)));
        }
      }
      matched += 1;
      yield record;
    }
  }
  const ambiguous = [...people].filter(([, users]) => users.size > 1);
  return {
    ...{ ...sum, matched, unmatched: [...unmatched] },
    ambiguous: ambiguous.map(
      ([shown, users]) =>
        `${shown} fits ${users.size} users: ${[...users].map(([id, name]) => `${name} (${id})`).join(", ")}`,
    ),
  };
}

/**
 * Reads several lists, one after the other: the first pages of a few at a time, as most have no other.
 *
 * @param sum of what was read, kept up to date.
 */
async function* readSearches(
  lookup: Lookup,
  searches: readonly (readonly GrantQuery[])[],
  orgId: string,
  sum: { -readonly [Name in keyof ReadingEnd]: ReadingEnd[Name] },
): AsyncGenerator<readonly GrantRecord[]> {
  const begin = async (queries: readonly GrantQuery[]) => {
    const list = readList(lookup, queries, orgId);
    return { list, first: await list.next() };
  };
  for (let at = 0; at < searches.length; at += searchesAtATime) {
    const begun = await Promise.all(searches.slice(at, at + searchesAtATime).map(begin));
    for (const { list, first } of begun) {
      let next = first;
      for (; !next.done; next = await list.next()) {
        yield next.value;
      }
      sum.read += next.value.read;
      sum.total += next.value.total;
      sum.changed ||= next.value.changed;
      sum.hidden ||= next.value.hidden;
    }
  }
}

/** "9,947 of 9,992 grants could be read", and why; undefined if all were read. */
export function shortfallOf(end: ReadingEnd, protocol: string): string | undefined {
  if (isComplete(end)) {
    return undefined;
  }
  const { read, total, changed, hidden } = end;
  const what = `${grouped(read)} of ${counted(total, "grant")} could be read`;
  if (hidden) {
    return `${what}: this account may not read all of them. Use one that may read the grants of the whole organization.`;
  }
  if (changed) {
    return `${what}, and grants were added or removed in the meantime. Run it again.`;
  }
  return `${what}: ZITADEL's list has no order, and leaves grants out when it is read in parts.${
    protocol === "json"
      ? " Use --protocol grpc or grpc-web, which can read it in one response."
      : " Select fewer at a time, for example with --user-type or --role."
  }`;
}

/** A value of a selector. */
interface Value {
  /** As it was given: `--email jane@example.com`; in quotes where the space around it would not be seen. */
  readonly shown: string;
  readonly query: GrantQuery;
}

/** What grants are matched by. Addresses are compared case-insensitively. */
function keyOf([by, value]: GrantQuery): string {
  return `${by} ${by === "email" ? value.toLowerCase() : value}`;
}

function keysOf({ userId, email = "", projectId, roleKeys }: GrantRecord): string[] {
  const roles = roleKeys.map((role) => keyOf(["roleKey", role]));
  const person = [keyOf(["userId", userId]), keyOf(["email", email])];
  return [...person, keyOf(["projectId", projectId]), ...roles];
}

/** The values of each flag that was given: a grant must match one of each. From the most selective flag to the least. */
async function toGroups(
  lookup: Lookup,
  { users, emails, projects, roles }: Selectors,
  orgId: string,
): Promise<(readonly Value[])[]> {
  const valueFor = (flag: string, value: string, by: GrantQuery[0], sought = value): Value => ({
    shown: `--${flag} ${value === value.trim() ? value : JSON.stringify(value)}`,
    query: [by, sought],
  });
  const ofProjects: Value[] = [];
  for (const project of projects) {
    const projectId = await projectIdOf(lookup, project, orgId);
    ofProjects.push(valueFor("project", project, "projectId", projectId));
  }
  return [
    users.map((user) => valueFor("user", user, isEmail(user) ? "email" : "userId")),
    emails.map((email) => valueFor("email", email, "email")),
    ofProjects,
    roles.map((role) => valueFor("role", role, "roleKey")),
  ].filter(({ length }) => length > 0);
}

/**
 * A project by its id or its exact name. The id of a project wins over another one's name.
 *
 * @throws UsageError when the name fits several projects.
 */
async function projectIdOf(lookup: Lookup, project: string, orgId: string): Promise<string> {
  const byId = await lookup.listGrants([["projectId", project]], { offset: 0, limit: 1 });
  if (byId !== undefined && byId.records.length > 0) {
    return project;
  }
  const found = new Map<string, number>();
  // To the end: another project with the same name may come last.
  for await (const records of readList(lookup, [["projectName", project]], orgId)) {
    for (const { projectId } of records.filter(({ projectName }) => projectName === project)) {
      found.set(projectId, (found.get(projectId) ?? 0) + 1);
    }
  }
  if (found.size > 1) {
    const each = [...found].map(([id, count]) => `${id} with ${counted(count, "grant")}`);
    throw new UsageError(
      `--project ${printable(project)} fits ${found.size} projects of this name: ${each.join(", ")}. Give the id of the one that is meant.`,
    );
  }
  const [projectId = project] = found.keys();
  return projectId;
}

/** Which searches find all matching grants: the values of one flag are searched one by one. */
function plan(
  { userType }: Selectors,
  groups: readonly (readonly Value[])[],
): (readonly GrantQuery[])[] {
  const single = groups.filter(({ length }) => length === 1).flat();
  const base = single.map(({ query }) => query);
  if (userType !== undefined) {
    base.push(["userType", userType]);
  }
  const several = groups.find(({ length }) => length > 1);
  return several?.map(({ query }) => [...base, query]) ?? [base];
}
