import { Code } from "@connectrpc/connect";
import type {
  AuthorizationsSearchFilter,
  ListAuthorizationsRequest,
} from "../../../gen/tool/authorization_pb.js";
import {
  AuthorizationFieldName,
  ListAuthorizationsRequestSchema,
  State,
} from "../../../gen/tool/authorization_pb.js";
import type { Grant } from "../model/entities.js";
import { RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { type Caller, maySeeGrant } from "../model/permissions.js";
import { checkSearch, displayNameOf, type Found, invalid, ofUser, textMatch } from "./search.js";

const defaultLimit = 100;
const maxLimit = 1000;

export interface FoundAuthorizations extends Found<Grant> {
  readonly appliedLimit: number;
}

/** @throws RpcError `InvalidArgument` */
export function checkListAuthorizations(request: ListAuthorizationsRequest): void {
  checkSearch(ListAuthorizationsRequestSchema, request);
  for (const { filter } of request.filters) {
    if (filter.case === "state" && filter.value.state === State.UNSPECIFIED) {
      throw invalid("StateQuery.state", "active or inactive is required");
    }
    if (
      (filter.case === "userPreferredLoginName" && filter.value.loginName === "") ||
      (filter.case === "userDisplayName" && filter.value.displayName === "")
    ) {
      throw invalid(filter.case, "a text is required");
    }
  }
}

/**
 * The grants of all organizations that match all filters, in an order. The total counts all of them; of the
 * page, what the caller may not see is left out.
 *
 * @throws RpcError `InvalidArgument` QUERY-4M0fs for a limit that is too high.
 */
export function listAuthorizations(
  instance: Instance,
  { user }: Caller,
  { pagination, sortingColumn, filters }: ListAuthorizationsRequest,
): FoundAuthorizations {
  const appliedLimit = pagination?.limit || defaultLimit;
  if (appliedLimit > maxLimit) {
    throw new RpcError(Code.InvalidArgument, "Limit exceeded", "QUERY-4M0fs");
  }
  const { projection } = instance.state.grants;
  projection.catchUp();
  const matches = filters.map((filter) => matchOf(instance, filter));
  const key = JSON.stringify([filters, sortingColumn ?? 0]);
  // Sorted once for all of its pages.
  const sorted = projection.search(
    undefined,
    `authorizations ${key}`,
    (grant) => matches.every((match) => match(grant)),
    comparison(instance, sortingColumn),
  );
  const offset = Number(pagination?.offset ?? 0n);
  const page = pagination?.asc
    ? sorted.slice(offset, offset + appliedLimit)
    : sorted
        .slice(Math.max(0, sorted.length - offset - appliedLimit), sorted.length - offset)
        .reverse();
  return {
    items: page.filter((grant) => maySeeGrant(user, grant)),
    total: page.length === 0 ? 0 : sorted.length,
    appliedLimit,
  };
}

function matchOf(
  instance: Instance,
  { filter }: AuthorizationsSearchFilter,
): (grant: Grant) => boolean {
  const { projects, users } = instance.state;
  switch (filter.case) {
    case "authorizationIds": {
      const ids = new Set(filter.value.ids);
      return ({ grantId }) => ids.has(grantId);
    }
    case "inUserIds": {
      const ids = new Set(filter.value.ids);
      return ({ userId }) => ids.has(userId);
    }
    case "organizationId":
      return ({ orgId }) => orgId === filter.value.id;
    case "state":
      return (grant) => (grant.state === "active") === (filter.value.state === State.ACTIVE);
    case "userOrganizationId":
      return ({ userId }) => users.get(userId)?.orgId === filter.value.id;
    case "userPreferredLoginName":
      return textMatch(
        filter.value,
        ofUser(instance, ({ loginName }) => loginName),
      );
    case "userDisplayName":
      return textMatch(filter.value, ofUser(instance, displayNameOf));
    case "projectId":
      return ({ projectId }) => projectId === filter.value.id;
    case "projectName":
      return textMatch(filter.value, ({ projectId }: Grant) => projects.get(projectId)?.name);
    case "roleKey":
      // The method is ignored.
      return ({ roleKeys }) => roleKeys.includes(filter.value.key);
    case "projectGrantId":
      return ({ projectGrantId }) => projectGrantId === filter.value.id;
    default:
      return () => false;
  }
}

/** Ascending. What is equal stays in the order in which it was added. */
function comparison(
  { state }: Instance,
  column: AuthorizationFieldName | undefined,
): (a: Grant, b: Grant) => number {
  const keys: Partial<Record<AuthorizationFieldName, (grant: Grant) => string | number>> = {
    [AuthorizationFieldName.ID]: ({ grantId }) => grantId,
    [AuthorizationFieldName.CHANGED_DATE]: ({ changedAtMs }) => changedAtMs,
    [AuthorizationFieldName.USER_ID]: ({ userId }) => userId,
    [AuthorizationFieldName.PROJECT_ID]: ({ projectId }) => projectId,
    [AuthorizationFieldName.ORGANIZATION_ID]: ({ orgId }) => orgId,
    [AuthorizationFieldName.USER_ORGANIZATION_ID]: ({ userId }) =>
      state.users.get(userId)?.orgId ?? "",
  };
  const keyOf = keys[column ?? 0] ?? (({ createdAtMs }) => createdAtMs);
  return (a, b) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
}
