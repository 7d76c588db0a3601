import { Code } from "@connectrpc/connect";
import type { HttpRequest } from "../http/http.js";
import {
  type Grant,
  type Membership,
  type Permission,
  permissionsOf,
  type User,
} from "./entities.js";
import { RpcError } from "./errors.js";
import { findToken, type Instance } from "./instance.js";

/** The caller, the organization of the call, and the scope of the permission that the call needs. */
export interface Caller {
  readonly user: User;
  readonly orgId: string;
  /** Those that count in that organization. */
  readonly memberships: readonly Membership[];
  /** The projects that the permission is limited to, or "all". */
  readonly projects: "all" | ReadonlySet<string>;
}

/**
 * Checks a call in ZITADEL's order: the token, the organization, and if it needs a permission any membership
 * there and a role with the permission.
 *
 * @throws RpcError `Unauthenticated` without a usable token, `PermissionDenied` when the organization
 * does not exist or no role has the permission, `NotFound` when the user is not a member at all.
 */
export function authorize(
  instance: Instance,
  request: HttpRequest,
  permission: Permission | undefined,
): Caller {
  const user = authenticate(instance, request);
  const orgId = request.headers["x-zitadel-orgid"] || user.orgId;
  if (!instance.orgs.has(orgId)) {
    throw new RpcError(Code.PermissionDenied, "Organisation doesn't exist", "AUTH-Bs7Ds");
  }
  const memberships = user.memberships.filter(
    (membership) => membership.orgId === undefined || membership.orgId === orgId,
  );
  if (permission === undefined) {
    return { user, orgId, memberships, projects: new Set() };
  }
  if (memberships.length === 0) {
    throw new RpcError(Code.NotFound, "membership not found", "AUTHZ-cdgFk");
  }
  const allowing = memberships.filter(({ role }) => permissionsOf(role).includes(permission));
  if (allowing.length === 0) {
    throw new RpcError(Code.PermissionDenied, "No matching permissions found", "AUTH-5mWD2");
  }
  const projects = allowing.map(({ projectId }) => projectId);
  const limits = new Set(projects.filter((id) => id !== undefined));
  return { user, orgId, memberships, projects: projects.includes(undefined) ? "all" : limits };
}

function authenticate(instance: Instance, { headers }: HttpRequest): User {
  const header = headers.authorization ?? "";
  if (header === "") {
    throw new RpcError(Code.Unauthenticated, "auth header missing");
  }
  const [, value, more] = header.split("Bearer ");
  if (value === undefined || more !== undefined) {
    throw new RpcError(Code.Unauthenticated, "invalid auth header", "AUTH-toLo1");
  }
  const found = findToken(instance, value);
  if (!found?.token.audience) {
    throw new RpcError(Code.Unauthenticated, "Errors.Token.Invalid", "AUTH-7fs1e");
  }
  return found.user;
}

/**
 * What the caller may do in the organization of the call: a permission that is limited to a project is
 * followed by its id.
 */
export function permissionsOfCaller({ memberships }: Caller): string[] {
  const all = memberships.flatMap(({ role, projectId }) =>
    permissionsOf(role).map((permission) =>
      projectId === undefined ? permission : `${permission}:${projectId}`,
    ),
  );
  return [...new Set(all)];
}

/** Whether a user may read a grant, whichever organization the call goes to: it is their own, or a role allows it. */
export function maySeeGrant(user: User, { userId, orgId, projectId }: Grant): boolean {
  return (
    userId === user.userId ||
    user.memberships.some(
      (membership) =>
        permissionsOf(membership.role).includes("user.grant.read") &&
        (membership.orgId ?? orgId) === orgId &&
        (membership.projectId ?? projectId) === projectId,
    )
  );
}

/** @throws RpcError `NotFound` without a detail when the host is not a domain of the instance. */
export function checkInstance(instance: Instance, request: HttpRequest): void {
  if (!instance.hosts.includes(hostOf(request).split(":")[0] ?? "")) {
    throw instanceError(instance, request, false);
  }
}

/** @param isLate whether the deadline of the call has passed while the instance was looked up. */
export function instanceError(
  { generation, hosts }: Instance,
  request: HttpRequest,
  isLate: boolean,
): RpcError {
  const code = isLate && generation === "v4" ? Code.Internal : Code.NotFound;
  const cause = isLate ? ": context deadline exceeded" : "";
  const text = `unable to set instance using origin ${hostOf(request)} (ExternalDomain is ${hosts[0]})${cause}`;
  return new RpcError(code, text);
}

/** The host that a request names: ZITADEL finds its instance by it. */
function hostOf({ headers, host }: HttpRequest): string {
  return headers["x-zitadel-instance-host"] || headers["x-forwarded-host"] || host;
}
