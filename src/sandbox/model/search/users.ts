import type { User } from "../entities.js";
import type { Instance } from "../instance.js";
import type { Caller } from "../permissions.js";
import { type Found, type Page, pageOf } from "./page.js";
import { checkQueries, nestedOf, type Query, textOf } from "./queries.js";
import { textMatch } from "./text.js";

type Match = (user: User) => boolean;

/** The fields by which users can be sorted: `zitadel.user.v1.UserFieldName`, in the order of its numbers. */
export const userFields = [
  "USER_FIELD_NAME_UNSPECIFIED",
  "USER_FIELD_NAME_USER_NAME",
  "USER_FIELD_NAME_FIRST_NAME",
  "USER_FIELD_NAME_LAST_NAME",
  "USER_FIELD_NAME_NICK_NAME",
  "USER_FIELD_NAME_DISPLAY_NAME",
  "USER_FIELD_NAME_EMAIL",
  "USER_FIELD_NAME_STATE",
  "USER_FIELD_NAME_TYPE",
  "USER_FIELD_NAME_CREATION_DATE",
] as const;

export type UserField = (typeof userFields)[number];

/** @throws RpcError `InvalidArgument` */
export function checkUserQueries(queries: readonly (Query | undefined)[]): void {
  checkQueries(
    queries,
    "ListUsersRequest.Queries",
    "SearchQuery",
    (kind) => kind.charAt(0).toUpperCase() + kind.slice(1),
  );
}

/** The users of the caller's organization that match all queries, by id unless requested otherwise. */
export function searchUsers(
  { state }: Instance,
  { orgId }: Caller,
  page: Page,
  queries: readonly Query[],
  sortedBy: UserField | undefined,
): Found<User> {
  const matches = queries.map(matchOf);
  const found: User[] = [];
  for (const user of state.users.values()) {
    if (user.orgId === orgId && matches.every((match) => match(user))) {
      found.push(user);
    }
  }
  const sign = page.asc ? 1 : -1;
  const key = sortKeyOf(sortedBy);
  const keyed = found.map((user) => ({ user, key: key(user).toLowerCase() }));
  keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0));
  return pageOf(
    keyed.map(({ user }) => user),
    page,
  );
}

function matchOf(query: Query): Match {
  const { text, method } = textOf(query);
  const by = (value: (user: User) => string | undefined): Match => {
    const match = textMatch(text, method);
    return (user) => match(value(user));
  };
  switch (query.kind) {
    case "userNameQuery":
      return by(({ userName }) => userName);
    case "loginNameQuery":
      return by(({ loginName }) => loginName);
    case "firstNameQuery":
      return by(({ firstName }) => firstName);
    case "lastNameQuery":
      return by(({ lastName }) => lastName);
    case "displayNameQuery":
      return by(({ type, displayName }) => (type === "human" ? displayName : undefined));
    case "emailQuery":
      return by(({ email }) => email);
    case "stateQuery":
      return () => text === "USER_STATE_ACTIVE";
    case "typeQuery":
      return ({ type }) => text === `TYPE_${type.toUpperCase()}`;
    case "inUserIdsQuery":
      return ({ userId }) => listOf(query, "userIds").includes(userId);
    case "inUserEmailsQuery":
      return ({ email }) => listOf(query, "userEmails").includes(email);
    case "orQuery": {
      const matches = presentOf(query).map(matchOf);
      return (user) => matches.some((match) => match(user));
    }
    case "andQuery": {
      const matches = presentOf(query).map(matchOf);
      return (user) => matches.every((match) => match(user));
    }
    case "notQuery": {
      const matches = presentOf(query).map(matchOf);
      return (user) => !matches.some((match) => match(user));
    }
    default:
      // Users of the sandbox have no nickname.
      return () => false;
  }
}

function listOf({ fields }: Query, name: string): readonly unknown[] {
  const list = fields[name];
  return Array.isArray(list) ? list : [];
}

function presentOf(query: Query): Query[] {
  return nestedOf(query).filter((nested) => nested !== undefined);
}

function sortKeyOf(field: UserField | undefined): (user: User) => string {
  switch (field) {
    case "USER_FIELD_NAME_USER_NAME":
      return ({ userName }) => userName;
    case "USER_FIELD_NAME_FIRST_NAME":
      return ({ firstName = "" }) => firstName;
    case "USER_FIELD_NAME_LAST_NAME":
      return ({ lastName = "" }) => lastName;
    case "USER_FIELD_NAME_DISPLAY_NAME":
      return ({ displayName }) => displayName;
    case "USER_FIELD_NAME_EMAIL":
      return ({ email = "" }) => email;
    case "USER_FIELD_NAME_TYPE":
      return ({ type }) => type;
    case "USER_FIELD_NAME_CREATION_DATE":
      return ({ createdAtMs }) => String(createdAtMs).padStart(16, "0");
    default:
      return ({ userId }) => userId;
  }
}
