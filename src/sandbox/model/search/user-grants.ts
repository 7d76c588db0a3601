import type { Grant, User } from "../entities.js";
import type { Instance } from "../instance.js";
import type { Caller } from "../permissions.js";
import { type Found, type Page, pageOf } from "./page.js";
import { checkQueries, type Query, textOf } from "./queries.js";
import { textMatch } from "./text.js";

type Match = (grant: Grant) => boolean;

/** Checks the queries of a search; throws RpcError `InvalidArgument`. */
export function checkUserGrantQueries(queries: readonly (Query | undefined)[]): void {
  checkQueries(queries, "ListUserGrantRequest.Queries", "UserGrantQuery", (kind) =>
    `UserGrant${kind.charAt(0).toUpperCase()}${kind.slice(1)}`.replace("IdQuery", "IDQuery"),
  );
}

/**
 * The grants of the caller's organization that match all queries, in the order in which they were added:
 * ZITADEL sorts by nothing, whatever `asc` says.
 */
export function searchUserGrants(
  instance: Instance,
  caller: Caller,
  page: Page,
  queries: readonly Query[],
): Found<Grant> {
  const { projection } = instance.state.grants;
  projection.catchUp(false);
  const matches = queries.map((query) => matchOf(instance, caller, query));
  const withGranted = queries.some(({ kind }) => kind === "withGrantedQuery");
  const found = projection.search(
    withGranted ? undefined : caller.orgId,
    JSON.stringify([caller.orgId, queries]),
    (grant) => matches.every((match) => match(grant)),
  );
  return pageOf(found, page);
}

function matchOf(instance: Instance, { orgId }: Caller, query: Query): Match {
  const { state, hosts } = instance;
  const { text, method } = textOf(query);
  const byUser = (value: (user: User) => string | undefined): Match => {
    const match = textMatch(text, method);
    return ({ userId }) => {
      const user = state.users.get(userId);
      return user !== undefined && match(value(user));
    };
  };
  const byName = (value: (grant: Grant) => string | undefined): Match => {
    const match = textMatch(text, method);
    return (grant) => match(value(grant));
  };
  switch (query.kind) {
    case "userIdQuery":
      return ({ userId }) => userId === text;
    case "projectIdQuery":
      return ({ projectId }) => projectId === text;
    case "projectGrantIdQuery":
      return ({ projectGrantId = "" }) => projectGrantId === text;
    case "roleKeyQuery":
      // The method is ignored.
      return ({ roleKeys }) => roleKeys.includes(text);
    case "withGrantedQuery":
      return (grant) =>
        grant.orgId === orgId || state.projects.get(grant.projectId)?.orgId === orgId;
    case "userNameQuery":
      return byUser(({ userName }) => userName);
    case "firstNameQuery":
      return byUser(({ firstName }) => firstName);
    case "lastNameQuery":
      return byUser(({ lastName }) => lastName);
    case "emailQuery":
      return byUser(({ email }) => email);
    case "displayNameQuery":
      return byUser(({ type, displayName }) => (type === "human" ? displayName : undefined));
    case "userTypeQuery":
      return ({ userId }) => state.users.get(userId)?.type === userTypes[text];
    case "orgNameQuery":
      return byName((grant) => state.orgs.get(grant.orgId)?.name);
    case "orgDomainQuery":
      return byName((grant) => {
        const org = state.orgs.get(grant.orgId);
        return org && orgDomain(org.name, hosts[0] ?? "");
      });
    case "projectNameQuery":
      return byName((grant) => state.projects.get(grant.projectId)?.name);
    default:
      // `inUserIdsQuery` of v4, which is accepted and finds nothing.
      return () => false;
  }
}

const userTypes: Readonly<Record<string, string>> = {
  TYPE_HUMAN: "human",
  TYPE_MACHINE: "machine",
};

/** The domain that ZITADEL derives from an organization's name. */
export function orgDomain(name: string, host: string): string {
  return `${name.toLowerCase().replaceAll(" ", "-")}.${host}`;
}
