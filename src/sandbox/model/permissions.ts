import { Code } from "@connectrpc/connect";
import { type HttpRequest, headerOf } from "../http/http.js";
import type { AccessToken, Membership, User } from "./entities.js";
import { RpcError } from "./errors.js";
import type { Instance } from "./instance.js";
import { type Permission, permissionsOf, roleAllows } from "./roles.js";

/** The caller, the organization of the call, and the scope of the permission that the call needs. */
export interface Caller {
  readonly user: User;
  readonly orgId: string;
  /** The projects that the permission is limited to, or "all". */
  readonly projects: "all" | ReadonlySet<string>;
}

/**
 * Checks a call in ZITADEL's order: the token, the organization, any membership there, a role with
 * the permission.
 *
 * @throws RpcError `Unauthenticated` without a usable token, `PermissionDenied` when the organization
 * does not exist or no role has the permission, `NotFound` when the user is not a member at all.
 */
export function authorize(
  instance: Instance,
  request: HttpRequest,
  permission: Permission,
): Caller {
  const { user, orgId, memberships } = identify(instance, request);
  if (memberships.length === 0) {
    throw new RpcError(Code.NotFound, "membership not found", "AUTHZ-cdgFk");
  }
  const allowing = memberships.filter(({ role }) => roleAllows(role, permission));
  if (allowing.length === 0) {
    throw new RpcError(Code.PermissionDenied, "No matching permissions found", "AUTH-5mWD2");
  }
  const projects = allowing.map(({ projectId }) => projectId);
  return {
    user,
    orgId,
    projects: projects.includes(undefined)
      ? "all"
      : new Set(projects.filter((id) => id !== undefined)),
  };
}

/**
 * What the caller may do in the organization of the call: a permission that is limited to a project is
 * followed by its id.
 *
 * @throws RpcError `Unauthenticated`, or `PermissionDenied` when the organization does not exist.
 */
export function listPermissions(instance: Instance, request: HttpRequest): string[] {
  const { memberships } = identify(instance, request);
  const all = memberships.flatMap(({ role, projectId }) =>
    permissionsOf(role).map((permission) =>
      projectId === undefined ? permission : `${permission}:${projectId}`,
    ),
  );
  return [...new Set(all)];
}

/** The caller, and the memberships that count in the organization of the call. */
function identify(
  instance: Instance,
  request: HttpRequest,
): { user: User; orgId: string; memberships: readonly Membership[] } {
  const { user } = authenticate(instance, request);
  const orgId = headerOf(request, "x-zitadel-orgid") || user.orgId;
  if (!instance.state.orgs.has(orgId)) {
    throw new RpcError(Code.PermissionDenied, "Organisation doesn't exist", "AUTH-Bs7Ds");
  }
  const memberships = user.memberships.filter(
    (membership) => membership.orgId === undefined || membership.orgId === orgId,
  );
  return { user, orgId, memberships };
}

/** @throws RpcError `Unauthenticated`. */
export function authenticate(
  instance: Instance,
  request: HttpRequest,
): { user: User; token: AccessToken } {
  const header = headerOf(request, "authorization") ?? "";
  if (header === "") {
    throw new RpcError(Code.Unauthenticated, "auth header missing");
  }
  const [, value, more] = header.split("Bearer ");
  if (value === undefined || more !== undefined) {
    throw new RpcError(Code.Unauthenticated, "invalid auth header", "AUTH-toLo1");
  }
  const token = instance.state.tokens.get(value);
  const user = token && instance.state.users.get(token.userId);
  if (!token?.audience || token.expiresAtMs <= instance.now() || user === undefined) {
    throw new RpcError(Code.Unauthenticated, "Errors.Token.Invalid", "AUTH-7fs1e");
  }
  return { user, token };
}
