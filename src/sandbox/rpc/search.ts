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

type Match<T> = (item: T) => boolean;
type Text<T> = (item: T) => string | undefined;

/** What queries compare of a user, by their names. Users of the sandbox have no nickname. */
const textsOfUser: Readonly<Record<string, Text<User>>> = {
  userNameQuery: ({ userName }) => userName,
  loginNameQuery: ({ loginName }) => loginName,
  firstNameQuery: ({ firstName }) => firstName,
  lastNameQuery: ({ lastName }) => lastName,
  emailQuery: ({ email }) => email,
  displayNameQuery: displayNameOf,
  nickNameQuery: () => undefined,
};

/** The grants of the caller's organization that match all queries, in no order that could be relied upon. */
export function searchUserGrants(
  instance: Instance,
  caller: Caller,
  { query, queries }: ListUserGrantRequest,
): Found<Grant> {
  const cases = queries.map((each) => each.query.case);
  if (instance.generation === "v2.70" && cases.includes("inUserIdsQuery")) {
    throw invalid("UserGrantQuery.query", "one of its members is required");
  }
  const { projection } = instance.state.grants;
  projection.catchUp();
  const matches = queries.map((each) => grantMatch(instance, caller, each));
  const found = projection.search(
    cases.includes("withGrantedQuery") ? undefined : caller.orgId,
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
  const rowAt = (at: number) => all[((at - shift + total) * step + limit) % total] as T;
  return { items: Array.from({ length: end - offset }, (_, at) => rowAt(offset + at)), total };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function grantMatch(
  instance: Instance,
  { orgId }: Caller,
  { query }: UserGrantQuery,
): Match<Grant> {
  const { state } = instance;
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
    case "userTypeQuery":
      return ({ userId }) => typeOf(state.users.get(userId)) === query.value.type;
    case "orgNameQuery":
      return textMatch(query.value, (grant) => state.orgs.get(grant.orgId)?.name);
    case "orgDomainQuery":
      return textMatch(query.value, (grant) =>
        orgDomain(instance, state.orgs.get(grant.orgId)?.name ?? ""),
      );
    case "projectNameQuery":
      return textMatch(query.value, (grant) => state.projects.get(grant.projectId)?.name);
    case "inUserIdsQuery":
    case undefined:
      // The former is accepted by v4, and finds nothing.
      return () => false;
    default:
      return textMatch(query.value, ofUser(instance, textsOfUser[query.case]));
  }
}

/** The users of the caller's organization that match all queries, by id unless requested otherwise. */
export function searchUsers(
  { state }: Instance,
  { orgId }: Caller,
  { query, queries, sortingColumn }: ListUsersRequest,
): Found<User> {
  const matches = queries.map(userMatch);
  const keyOf = sortKeys[sortingColumn] ?? (({ userId }) => userId);
  const found = [...state.users.values()]
    .filter((user) => user.orgId === orgId && matches.every((match) => match(user)))
    .map((user) => ({ user, key: keyOf(user)?.toLowerCase() ?? "" }));
  const sign = query?.asc ? 1 : -1;
  found.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0));
  const offset = Number(query?.offset ?? 0n);
  const items = found.slice(offset, query?.limit ? offset + query.limit : undefined);
  return { items: items.map(({ user }) => user), total: items.length === 0 ? 0 : found.length };
}

const sortKeys: Partial<Record<UserFieldName, Text<User>>> = {
  [UserFieldName.USER_NAME]: ({ userName }) => userName,
  [UserFieldName.FIRST_NAME]: ({ firstName }) => firstName,
  [UserFieldName.LAST_NAME]: ({ lastName }) => lastName,
  [UserFieldName.DISPLAY_NAME]: ({ displayName }) => displayName,
  [UserFieldName.EMAIL]: ({ email }) => email,
  [UserFieldName.TYPE]: ({ type }) => type,
  [UserFieldName.CREATION_DATE]: ({ createdAtMs }) => String(createdAtMs).padStart(16, "0"),
};

function userMatch({ query }: SearchQuery): Match<User> {
  switch (query.case) {
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
    case undefined:
      return () => false;
    default:
      return textMatch(query.value, textsOfUser[query.case]);
  }
}

/** The database has none for machines. */
export function displayNameOf({ type, displayName }: User): string | undefined {
  return type === "human" ? displayName : undefined;
}

/** A text of the user that a grant is of. */
export function ofUser({ state }: Instance, text: Text<User> | undefined): Text<Grant> {
  return ({ userId }) => {
    const user = state.users.get(userId);
    return user && text?.(user);
  };
}

/**
 * Whether a text matches; a missing one never does, as in SQL. Both enums of methods have the same numbers:
 * each way of comparing comes with case, and then without.
 *
 * @param query has the text that is wanted as its other field.
 */
export function textMatch<T>(
  { method, $typeName: _, ...rest }: Message & { readonly method: number },
  textOf: Text<T> = () => undefined,
): Match<T> {
  const ignoresCase = method % 2 === 1;
  const fold = (text: string) => (ignoresCase ? text.toLowerCase() : text);
  const wanted = fold(String(Object.values(rest).find((value) => typeof value === "string")));
  const compare = comparisons[method - (method % 2)] ?? (() => false);
  return (item) => {
    const text = textOf(item);
    return text !== undefined && compare(fold(text), wanted);
  };
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
    } else if (
      !unchecked.test(path) &&
      ((typeof value === "string" && runes(value) > 200) ||
        (typeof value === "number" && field.enum && !field.enum.value[value]))
    ) {
      throw invalid(path, "at most 200 characters, or a value that is defined, are allowed");
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
