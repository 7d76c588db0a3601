import { Code } from "@connectrpc/connect";
import {
  AuthorizationFieldName,
  type ListAuthorizationsRequest,
} from "../../../gen/tool/authorization_pb.js";
import type { ListUserGrantRequest, ListUsersRequest } from "../../../gen/tool/management_pb.js";
import { UserFieldName } from "../../../gen/tool/user_pb.js";
import type { Grant, User } from "../model/entities.js";
import { RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { type Caller, maySeeGrant } from "../model/permissions.js";
import { grantFields, invalid, matcher, userMatch } from "./queries.js";

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
  const names = queries.map((each) => each.query.case);
  if (instance.generation === "v2.70" && names.includes("inUserIdsQuery")) {
    throw invalid("UserGrantQuery.query", "one of its members is required");
  }
  const fields = grantFields(instance, caller);
  const matches = queries.map((each) => matcher(fields, each.query));
  const isEverywhere = names.includes("withGrantedQuery");
  const found = instance.grants.projection.search(
    [caller.orgId, queries],
    (grant) =>
      (isEverywhere || grant.orgId === caller.orgId) && matches.every((match) => match(grant)),
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
  if (total <= smallList || offset >= total) {
    return page(all, offset, limit);
  }
  const end = limit === 0 ? total : Math.min(total, offset + limit);
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

/** @param limit 0 for no limit. */
function page<T>(all: readonly T[], offset: number, limit: number): Found<T> {
  const items = all.slice(offset, limit === 0 ? undefined : offset + limit);
  return { items, total: items.length === 0 ? 0 : all.length };
}

/** What is equal stays in the order in which it was added. */
function sorted<T>(
  rows: readonly T[],
  keyOf: (row: T) => string | number,
  isAscending: boolean | undefined,
): T[] {
  const keyed = rows.map((row) => ({ row, key: keyOf(row) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return (isAscending ? keyed : keyed.reverse()).map(({ row }) => row);
}

/** The users of the caller's organization that match all queries, by id unless requested otherwise. */
export function searchUsers(
  { users }: Instance,
  { orgId }: Caller,
  { query, queries, sortingColumn }: ListUsersRequest,
): Found<User> {
  const matches = queries.map(userMatch);
  const keyOf = userSortKeys[sortingColumn] ?? (({ userId }) => userId);
  const found = [...users.values()].filter(
    (user) => user.orgId === orgId && matches.every((match) => match(user)),
  );
  const inOrder = sorted(found, (user) => keyOf(user)?.toLowerCase() ?? "", query?.asc);
  return page(inOrder, Number(query?.offset ?? 0n), query?.limit ?? 0);
}

const userSortKeys: Partial<Record<UserFieldName, (user: User) => string | undefined>> = {
  [UserFieldName.USER_NAME]: ({ userName }) => userName,
  [UserFieldName.FIRST_NAME]: ({ firstName }) => firstName,
  [UserFieldName.LAST_NAME]: ({ lastName }) => lastName,
  [UserFieldName.DISPLAY_NAME]: ({ displayName }) => displayName,
  [UserFieldName.EMAIL]: ({ email }) => email,
  [UserFieldName.TYPE]: ({ type }) => type,
  [UserFieldName.CREATION_DATE]: ({ createdAtMs }) => String(createdAtMs).padStart(16, "0"),
};

/**
 * The grants of all organizations that match all filters, in an order. The total counts all of them; of the
 * page, what the caller may not see is left out.
 *
 * @throws RpcError `InvalidArgument` QUERY-4M0fs for a limit that is too high.
 */
export function listAuthorizations(
  instance: Instance,
  caller: Caller,
  { pagination, sortingColumn, filters }: ListAuthorizationsRequest,
): Found<Grant> & { readonly appliedLimit: number } {
  const appliedLimit = pagination?.limit || 100;
  if (appliedLimit > 1000) {
    throw new RpcError(Code.InvalidArgument, "Limit exceeded", "QUERY-4M0fs");
  }
  const fields = grantFields(instance, caller);
  const matches = filters.map(({ filter }) => matcher(fields, filter));
  const sortKeys: Partial<Record<AuthorizationFieldName, (grant: Grant) => string | number>> = {
    [AuthorizationFieldName.ID]: ({ grantId }) => grantId,
    [AuthorizationFieldName.CHANGED_DATE]: ({ changedAtMs }) => changedAtMs,
    [AuthorizationFieldName.USER_ID]: ({ userId }) => userId,
    [AuthorizationFieldName.PROJECT_ID]: ({ projectId }) => projectId,
    [AuthorizationFieldName.ORGANIZATION_ID]: ({ orgId }) => orgId,
    [AuthorizationFieldName.USER_ORGANIZATION_ID]: ({ userId }) =>
      instance.users.get(userId)?.orgId ?? "",
  };
  const keyOf = sortKeys[sortingColumn ?? 0] ?? (({ createdAtMs }) => createdAtMs);
  const inOrder = instance.grants.projection.search(
    [filters, sortingColumn, pagination?.asc],
    (grant) => matches.every((match) => match(grant)),
    (found) => sorted(found, keyOf, pagination?.asc),
  );
  const { items, total } = page(inOrder, Number(pagination?.offset ?? 0n), appliedLimit);
  return { items: items.filter((grant) => maySeeGrant(caller.user, grant)), total, appliedLimit };
}
