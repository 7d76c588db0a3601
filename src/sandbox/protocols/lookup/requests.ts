import type { Generation } from "../../model/generation.js";
import type { Page } from "../../model/search/page.js";
import type { Query } from "../../model/search/queries.js";
import { textMethods } from "../../model/search/text.js";
import { userFields } from "../../model/search/users.js";
import type { JsonNode } from "../go-json.js";
import {
  boolean,
  enumeration,
  list,
  message,
  oneof,
  type Reader,
  string,
  uint32,
  uint64,
} from "../proto-json.js";

const method = enumeration(textMethods);
const userType = enumeration(["TYPE_UNSPECIFIED", "TYPE_HUMAN", "TYPE_MACHINE"]);
const userState = enumeration([
  "USER_STATE_UNSPECIFIED",
  "USER_STATE_ACTIVE",
  "USER_STATE_INACTIVE",
  "USER_STATE_DELETED",
  "USER_STATE_LOCKED",
  "USER_STATE_SUSPEND",
  "USER_STATE_INITIAL",
]);

const userGrantQueries = {
  projectIdQuery: message({ projectId: string }),
  userIdQuery: message({ userId: string }),
  withGrantedQuery: message({ withGranted: boolean }),
  roleKeyQuery: message({ roleKey: string, method }),
  projectGrantIdQuery: message({ projectGrantId: string }),
  userNameQuery: message({ userName: string, method }),
  firstNameQuery: message({ firstName: string, method }),
  lastNameQuery: message({ lastName: string, method }),
  emailQuery: message({ email: string, method }),
  orgNameQuery: message({ orgName: string, method }),
  orgDomainQuery: message({ orgDomain: string, method }),
  projectNameQuery: message({ projectName: string, method }),
  displayNameQuery: message({ displayName: string, method }),
  userTypeQuery: message({ type: userType }),
};

/** Queries can be nested. */
const userQuery: Reader<Query | undefined> = (value, field) => readUserQuery(value, field);
const readUserQuery = oneof("zitadel.user.v1.SearchQuery.query", {
  userNameQuery: message({ userName: string, method }),
  firstNameQuery: message({ firstName: string, method }),
  lastNameQuery: message({ lastName: string, method }),
  nickNameQuery: message({ nickName: string, method }),
  displayNameQuery: message({ displayName: string, method }),
  emailQuery: message({ emailAddress: string, method }),
  stateQuery: message({ state: userState }),
  typeQuery: message({ type: userType }),
  loginNameQuery: message({ loginName: string, method }),
  inUserIdsQuery: message({ userIds: list(string) }),
  orQuery: message({ queries: list(userQuery) }),
  andQuery: message({ queries: list(userQuery) }),
  notQuery: message({ query: userQuery }),
  inUserEmailsQuery: message({ userEmails: list(string) }),
});

const listQuery = message({ offset: uint64, limit: uint32, asc: boolean });

const listUserGrantsOf: Readonly<Record<Generation, ReturnType<typeof listUserGrantsWith>>> = {
  "v2.70": listUserGrantsWith(userGrantQueries),
  v4: listUserGrantsWith({
    ...userGrantQueries,
    inUserIdsQuery: message({ userIds: list(string) }),
  }),
};

function listUserGrantsWith(queries: Readonly<Record<string, Reader<object>>>) {
  return message({
    query: listQuery,
    queries: list(oneof("zitadel.user.v1.UserGrantQuery.query", queries)),
  });
}

const listUsers = message({
  query: listQuery,
  sortingColumn: enumeration(userFields),
  queries: list(userQuery),
});

const addUserGrant = message({
  projectId: string,
  projectGrantId: string,
  roleKeys: list(string),
});

const nothing = message({});

export function readListUserGrants(body: JsonNode | undefined, generation: Generation) {
  const { query, queries = [] } = read(listUserGrantsOf[generation], body);
  return { page: pageOf(query), queries };
}

export function readListUsers(body: JsonNode | undefined) {
  const { query, queries = [], sortingColumn } = read(listUsers, body);
  // A column with an unknown number is not an error.
  const sortedBy = typeof sortingColumn === "number" ? undefined : sortingColumn;
  return { page: pageOf(query), queries, sortedBy };
}

export function readAddUserGrant(body: JsonNode | undefined) {
  const { projectId = "", projectGrantId = "", roleKeys = [] } = read(addUserGrant, body);
  return { projectId, projectGrantId, roleKeys };
}

export function readNothing(body: JsonNode | undefined): void {
  read(nothing, body);
}

/** A missing body is an empty message. */
function read<T extends object>(reader: Reader<T>, body: JsonNode | undefined): Partial<T> {
  return body === undefined ? {} : reader(body, "");
}

function pageOf({ offset = 0, limit = 0, asc = false }: Partial<Page> = {}): Page {
  return { offset, limit, asc };
}
