import type { DescMessage, Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { TextFilterMethod } from "../../../gen/tool/filter_pb.js";
import type { ListUserGrantRequest, ListUsersRequest } from "../../../gen/tool/management_pb.js";
import type { SearchQuery, UserGrantQuery } from "../../../gen/tool/user_pb.js";
import { UserFieldName, UserState } from "../../../gen/tool/user_pb.js";
import type { Grant, User } from "../model/entities.js";
import { RpcError } from "../model/errors.js";
import { type Instance, orgDomain } from "../model/instance.js";
import type { Caller } from "../model/permissions.js";
import { typeOf } from "./messages.js";

/** A part of a list, and the length of the whole list. */
export interface Found<T> {
  readonly items: readonly T[];
  /** 0 for a page past the end: ZITADEL counts in the same query, which then returns no row. */
  readonly total: number;
}

/** The grants of the caller's organization that match all queries, in no order that could be relied upon. */
export function searchUserGrants(
  instance: Instance,
  caller: Caller,
  { query, queries }: ListUserGrantRequest,
): Found<Grant> {
  if (
    instance.generation === "v2.70" &&
    queries.some((each) => each.query.case === "inUserIdsQuery")
  ) {
    throw invalid("UserGrantQuery.query", "one of its members is required");
  }
  const { projection } = instance.state.grants;
  projection.catchUp();
  const matches = queries.map((each) => grantMatch(instance, caller, each));
  const everywhere = queries.some((each) => each.query.case === "withGrantedQuery");
  const found = projection.search(
    everywhere ? undefined : caller.orgId,
    JSON.stringify([caller.orgId, queries]),
    (grant) => matches.every((match) => match(grant)),
  );
  return unorderedPage(found, Number(query?.offset ?? 0n), query?.limit ?? 0);
}

/** Lists of up to this length come in the order in which their rows were added, as from a small table. */
const smallList = 4;

/**
 * A page of a list without an order: the database's plan, and with it the order, depends on limit and offset.
 * Each page size has an order of its own, which is the same each time, and later pages have it shifted: they
 * repeat the end of the first page, and leave others out.
 *
 * @param limit 0 for no limit.
 */
function unorderedPage<T>(all: readonly T[], offset: number, limit: number): Found<T> {
  const total = all.length;
  const end = limit === 0 ? total : Math.min(total, offset + limit);
  if (total <= smallList || offset >= end) {
    const items = all.slice(offset, end);
    return { items, total: items.length === 0 ? 0 : total };
  }
  const shift = offset === 0 ? 0 : Math.ceil(total / 100);
  // Multiples of a number without a common divisor reach every row once.
  let step = 7 + 2 * ((limit * 31) % 97);
  while (greatestCommonDivisor(step, total) !== 1) {
    step += 1;
  }
  const items: T[] = [];
  for (let at = offset; at < end; at++) {
    const row = all[((at - shift + total) * step + limit) % total];
    if (row !== undefined) {
      items.push(row);
    }
  }
  return { items, total };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function grantMatch(
  instance: Instance,
  { orgId }: Caller,
  { query }: UserGrantQuery,
): (grant: Grant) => boolean {
  const { state } = instance;
  const byText = (text: string, method: number, textOf: (grant: Grant) => string | undefined) => {
    const match = textMatch(text, method);
    return (grant: Grant) => match(textOf(grant));
  };
  const byUser = (text: string, method: number, textOf: (user: User) => string | undefined) =>
    byText(text, method, ({ userId }) => {
      const user = state.users.get(userId);
      return user && textOf(user);
    });
  switch (query.case) {
    case "userIdQuery":
      return ({ userId }) => userId === query.value.userId;
    case "projectIdQuery":
      return ({ projectId }) => projectId === query.value.projectId;
    case "projectGrantIdQuery":
      return ({ projectGrantId = "" }) => projectGrantId === query.value.projectGrantId;
    case "roleKeyQuery":
      // The method is ignored.
      return ({ roleKeys }) => roleKeys.includes(query.value.roleKey);
    case "withGrantedQuery":
      return (grant) =>
        grant.orgId === orgId || state.projects.get(grant.projectId)?.orgId === orgId;
    case "userNameQuery":
      return byUser(query.value.userName, query.value.method, ({ userName }) => userName);
    case "firstNameQuery":
      return byUser(query.value.firstName, query.value.method, ({ firstName }) => firstName);
    case "lastNameQuery":
      return byUser(query.value.lastName, query.value.method, ({ lastName }) => lastName);
    case "emailQuery":
      return byUser(query.value.email, query.value.method, ({ email }) => email);
    case "displayNameQuery":
      return byUser(query.value.displayName, query.value.method, displayNameOf);
    case "userTypeQuery":
      return ({ userId }) => {
        const user = state.users.get(userId);
        return user !== undefined && typeOf(user) === query.value.type;
      };
    case "orgNameQuery":
      return byText(
        query.value.orgName,
        query.value.method,
        (grant) => state.orgs.get(grant.orgId)?.name,
      );
    case "orgDomainQuery":
      return byText(query.value.orgDomain, query.value.method, (grant) => {
        const org = state.orgs.get(grant.orgId);
        return org && orgDomain(instance, org.name);
      });
    case "projectNameQuery":
      return byText(
        query.value.projectName,
        query.value.method,
        (grant) => state.projects.get(grant.projectId)?.name,
      );
    default:
      // `inUserIdsQuery` of v4, which is accepted and finds nothing.
      return () => false;
  }
}

/** The users of the caller's organization that match all queries, by id unless requested otherwise. */
export function searchUsers(
  { state }: Instance,
  { orgId }: Caller,
  { query, queries, sortingColumn }: ListUsersRequest,
): Found<User> {
  const matches = queries.map(userMatch);
  const keyOf = sortKey(sortingColumn);
  const keyed: { readonly user: User; readonly key: string }[] = [];
  for (const user of state.users.values()) {
    if (user.orgId === orgId && matches.every((match) => match(user))) {
      keyed.push({ user, key: keyOf(user).toLowerCase() });
    }
  }
  const sign = query?.asc ? 1 : -1;
  keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0));
  const offset = Number(query?.offset ?? 0n);
  const items = keyed.slice(offset, query?.limit ? offset + query.limit : undefined);
  return { items: items.map(({ user }) => user), total: items.length === 0 ? 0 : keyed.length };
}

function userMatch({ query }: SearchQuery): (user: User) => boolean {
  const by = (text: string, method: number, textOf: (user: User) => string | undefined) => {
    const match = textMatch(text, method);
    return (user: User) => match(textOf(user));
  };
  switch (query.case) {
    case "userNameQuery":
      return by(query.value.userName, query.value.method, ({ userName }) => userName);
    case "loginNameQuery":
      return by(query.value.loginName, query.value.method, ({ loginName }) => loginName);
    case "firstNameQuery":
      return by(query.value.firstName, query.value.method, ({ firstName }) => firstName);
    case "lastNameQuery":
      return by(query.value.lastName, query.value.method, ({ lastName }) => lastName);
    case "displayNameQuery":
      return by(query.value.displayName, query.value.method, displayNameOf);
    case "emailQuery":
      return by(query.value.emailAddress, query.value.method, ({ email }) => email);
    case "stateQuery":
      return ({ state }) =>
        query.value.state === (state === "active" ? UserState.ACTIVE : UserState.INACTIVE);
    case "typeQuery":
      return (user) => typeOf(user) === query.value.type;
    case "inUserIdsQuery":
      return ({ userId }) => query.value.userIds.includes(userId);
    case "inUserEmailsQuery":
      return ({ email = "" }) => query.value.userEmails.includes(email);
    case "orQuery": {
      const matches = query.value.queries.map(userMatch);
      return (user) => matches.some((match) => match(user));
    }
    case "andQuery": {
      const matches = query.value.queries.map(userMatch);
      return (user) => matches.every((match) => match(user));
    }
    case "notQuery": {
      const match = query.value.query && userMatch(query.value.query);
      return (user) => !match?.(user);
    }
    default:
      // Users of the sandbox have no nickname.
      return () => false;
  }
}

function sortKey(column: UserFieldName): (user: User) => string {
  switch (column) {
    case UserFieldName.USER_NAME:
      return ({ userName }) => userName;
    case UserFieldName.FIRST_NAME:
      return ({ firstName = "" }) => firstName;
    case UserFieldName.LAST_NAME:
      return ({ lastName = "" }) => lastName;
    case UserFieldName.DISPLAY_NAME:
      return ({ displayName }) => displayName;
    case UserFieldName.EMAIL:
      return ({ email = "" }) => email;
    case UserFieldName.TYPE:
      return ({ type }) => type;
    case UserFieldName.CREATION_DATE:
      return ({ createdAtMs }) => String(createdAtMs).padStart(16, "0");
    default:
      return ({ userId }) => userId;
  }
}

/** The database has none for machines. */
export function displayNameOf({ type, displayName }: User): string | undefined {
  return type === "human" ? displayName : undefined;
}

/**
 * Whether a text matches; a missing one never does, as in SQL.
 *
 * @param method of `zitadel.v1.TextQueryMethod` or `zitadel.filter.v2.TextFilterMethod`, which have the same
 * numbers: each way of comparing comes with case, and then without.
 */
export function textMatch(wanted: string, method: number): (text: string | undefined) => boolean {
  const ignoresCase = method % 2 === 1;
  const folded = ignoresCase ? wanted.toLowerCase() : wanted;
  const compare = comparisons[method - (method % 2)] ?? (() => false);
  return (text) => text !== undefined && compare(ignoresCase ? text.toLowerCase() : text, folded);
}

const comparisons: Readonly<Record<number, (text: string, wanted: string) => boolean>> = {
  [TextFilterMethod.EQUALS]: (text, wanted) => text === wanted,
  [TextFilterMethod.STARTS_WITH]: (text, wanted) => text.startsWith(wanted),
  [TextFilterMethod.CONTAINS]: (text, wanted) => text.includes(wanted),
  [TextFilterMethod.ENDS_WITH]: (text, wanted) => text.endsWith(wanted),
};

/** Texts without a limit of their length, and enums without one of their values. */
const unchecked =
  /\.(UserGrantDisplayNameQuery\.display_name|UserGrantUserTypeQuery\.type|sorting_column)$/;

/**
 * Checks the rules that ZITADEL's protos have for searches: one member of each `oneof` is set, texts have at
 * most 200 characters, and enums a known value.
 *
 * @throws RpcError `InvalidArgument`
 */
export function checkSearch(desc: DescMessage, message: Message): void {
  const values = message as unknown as Readonly<Record<string, unknown>>;
  for (const { localName, name, fields } of desc.oneofs) {
    const set = values[localName] as { readonly case?: string; readonly value?: Message };
    const member = fields.find((field) => field.localName === set.case);
    if (member?.message === undefined || set.value === undefined) {
      throw invalid(`${desc.typeName}.${name}`, "one of its members is required");
    }
    checkSearch(member.message, set.value);
  }
  for (const field of desc.fields) {
    const path = `${desc.typeName}.${field.name}`;
    const value = values[field.localName];
    if (field.message !== undefined) {
      for (const inner of [value ?? []].flat()) {
        checkSearch(field.message, inner as Message);
      }
    } else if (typeof value === "string" && runes(value) > 200 && !unchecked.test(path)) {
      throw invalid(path, "at most 200 characters are allowed");
    } else if (
      field.enum !== undefined &&
      typeof value === "number" &&
      field.enum.value[value] === undefined &&
      !unchecked.test(path)
    ) {
      throw invalid(path, "this value is not defined");
    }
  }
}

/** @throws RpcError `InvalidArgument` for an id that has not 1 to 200 characters. */
export function checkIds(ids: Readonly<Record<string, string>>): void {
  for (const [name, id] of Object.entries(ids)) {
    if (id === "" || runes(id) > 200) {
      throw invalid(name, "1 to 200 characters are required");
    }
  }
}

export function invalid(field: string, reason: string): RpcError {
  return new RpcError(Code.InvalidArgument, `invalid ${field}: ${reason}`);
}

/** Lengths are counted in code points. */
function runes(text: string): number {
  return text.length <= 200 ? text.length : [...text].length;
}
