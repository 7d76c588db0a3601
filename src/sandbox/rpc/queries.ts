import type { DescMessage, Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { TextFilterMethod } from "../../../gen/tool/filter_pb.js";
import type { SearchQuery } from "../../../gen/tool/user_pb.js";
import type { Grant, User } from "../model/entities.js";
import { RpcError } from "../model/errors.js";
import { type Instance, orgDomain, type Related, relatedTo } from "../model/instance.js";
import type { Caller } from "../model/permissions.js";
import { displayNameOf, stateOf, stateOfAuthorization, typeOf } from "./messages.js";

export type Match<T> = (row: T) => boolean;

/** What queries compare of a row, by their names; undefined for what the row does not have. */
type Fields<T> = Readonly<Record<string, (row: T, wanted: unknown) => unknown>>;

/** One of ZITADEL's queries: the text, number or list that is wanted, and for some texts how they are compared. */
interface Query {
  readonly case: string | undefined;
  readonly value?: Message | undefined;
}

/**
 * Whether a row matches a query. What a row does not have matches nothing, as in SQL. How a role is compared is
 * ignored, as ZITADEL does.
 */
export function matcher<T>(fields: Fields<T>, { case: name = "", value }: Query): Match<T> {
  const { method, ...rest } = value as Message & { readonly method?: TextFilterMethod };
  const wanted = Object.entries(rest).find(([key]) => !key.startsWith("$"))?.[1] as unknown;
  const among = new Set([wanted].flat());
  const compare = method === undefined ? undefined : textComparison(method, String(wanted));
  return (row) => {
    const found = fields[name]?.(row, wanted);
    if (compare !== undefined && typeof found === "string") {
      return compare(found);
    }
    return Array.isArray(found)
      ? found.some((each) => among.has(each))
      : found !== undefined && among.has(found);
  };
}

/** The enums of methods all have the same numbers: each way of comparing comes with case, and then without. */
function textComparison(method: TextFilterMethod, wanted: string): Match<string> {
  const ignoresCase = method % 2 === 1;
  const fold = (text: string) => (ignoresCase ? text.toLowerCase() : text);
  const folded = fold(wanted);
  switch (method - (method % 2)) {
    case TextFilterMethod.EQUALS:
      return (text) => fold(text) === folded;
    case TextFilterMethod.STARTS_WITH:
      return (text) => fold(text).startsWith(folded);
    case TextFilterMethod.CONTAINS:
      return (text) => fold(text).includes(folded);
    case TextFilterMethod.ENDS_WITH:
      return (text) => fold(text).endsWith(folded);
    default:
      return () => false;
  }
}

const userFields: Fields<User> = {
  userNameQuery: ({ userName }) => userName,
  loginNameQuery: ({ loginName }) => loginName,
  firstNameQuery: ({ firstName }) => firstName,
  lastNameQuery: ({ lastName }) => lastName,
  emailQuery: ({ email }) => email,
  displayNameQuery: displayNameOf,
  stateQuery: stateOf,
  typeQuery: typeOf,
  inUserIdsQuery: ({ userId }) => userId,
  inUserEmailsQuery: ({ email }) => email,
};

/** Those of `ListUserGrants`, then those of `ListAuthorizations`. */
export function grantFields(instance: Instance, { orgId }: Caller): Fields<Grant> {
  const joined = (field: (related: Related) => unknown) => (grant: Grant) =>
    field(relatedTo(instance, grant));
  return {
    userIdQuery: ({ userId }) => userId,
    inUserIdsQuery: ({ userId }) => userId,
    userNameQuery: joined(({ user }) => user.userName),
    firstNameQuery: joined(({ user }) => user.firstName),
    lastNameQuery: joined(({ user }) => user.lastName),
    emailQuery: joined(({ user }) => user.email),
    displayNameQuery: joined(({ user }) => displayNameOf(user)),
    userTypeQuery: joined(({ user }) => typeOf(user)),
    projectIdQuery: ({ projectId }) => projectId,
    projectNameQuery: joined(({ project }) => project.name),
    projectGrantIdQuery: ({ projectGrantId = "" }) => projectGrantId,
    roleKeyQuery: ({ roleKeys }) => roleKeys,
    orgNameQuery: joined(({ org }) => org.name),
    orgDomainQuery: joined(({ org }) => orgDomain(instance, org.name)),
    // Whatever it says: naming it is what counts.
    withGrantedQuery: (grant, wanted) =>
      grant.orgId === orgId || relatedTo(instance, grant).project.orgId === orgId
        ? wanted
        : undefined,

    authorizationIds: ({ grantId }) => grantId,
    organizationId: (grant) => grant.orgId,
    state: stateOfAuthorization,
    inUserIds: ({ userId }) => userId,
    userOrganizationId: joined(({ user }) => user.orgId),
    userPreferredLoginName: joined(({ user }) => user.loginName),
    userDisplayName: joined(({ user }) => displayNameOf(user)),
    projectId: ({ projectId }) => projectId,
    projectName: joined(({ project }) => project.name),
    roleKey: ({ roleKeys }) => roleKeys,
    projectGrantId: ({ projectGrantId }) => projectGrantId,
  };
}

export function userMatch({ query }: SearchQuery): Match<User> {
  switch (query.case) {
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
      return matcher(userFields, query);
  }
}

/** Texts without a limit of their length, and enums without one of their values. */
const unchecked =
  /\.(UserGrantDisplayNameQuery\.display_name|UserGrantUserTypeQuery\.type|sorting_column)$/;

/** Fields that must be set. */
const required =
  /^zitadel\.authorization\.v2\.(StateQuery\.state|User(PreferredLogin|Display)NameQuery\.\w+_name)$/;

/**
 * Checks the rules that ZITADEL's protos have for searches: one member of each `oneof` is set, texts have at
 * most 200 characters, enums a known value, and some fields any.
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
    } else if (required.test(path) && !value) {
      throw invalid(path, "a value is required");
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
