import { Code } from "@connectrpc/connect";
import { type HttpRequest, headerOf } from "../http/http.js";
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
  const allowing = memberships.filter(({ role }) => permissionsOf(role).includes(permission));
  if (allowing.length === 0) {
    throw new RpcError(Code.PermissionDenied, "No matching permissions found", "AUTH-5mWD2");
  }
  const projects = allowing.map(({ projectId }) => projectId);
  return {
    user,
    orgId,
    memberships,
    projects: projects.includes(undefined)
      ? "all"
      : new Set(projects.filter((id) => id !== undefined)),
  };
}

/** Checks only that there is a caller, and that the organization of the call exists; as `authorize` does. */
export function authenticated(instance: Instance, request: HttpRequest): Caller {
  const { user, orgId, memberships } = identify(instance, request);
  return { user, orgId, memberships, projects: new Set() };
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

/**
 * The caller, and the memberships that count in the organization of the call.
 *
 * @throws RpcError `Unauthenticated`, or `PermissionDenied` when the organization does not exist.
 */
function identify(
  instance: Instance,
  request: HttpRequest,
): { user: User; orgId: string; memberships: readonly Membership[] } {
  const user = authenticate(instance, request);
  const orgId = headerOf(request, "x-zitadel-orgid") || user.orgId;
  if (!instance.state.orgs.has(orgId)) {
    throw new RpcError(Code.PermissionDenied, "Organisation doesn't exist", "AUTH-Bs7Ds");
  }
  const memberships = user.memberships.filter(
    (membership) => membership.orgId === undefined || membership.orgId === orgId,
  );
  return { user, orgId, memberships };
}

function authenticate(instance: Instance, request: HttpRequest): User {
  const header = headerOf(request, "authorization") ?? "";
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
    throw instanceError(instance, request, Code.NotFound);
  }
}

/** The error of the instance lookup when the deadline of the call passes during it. */
export function instanceLookupTimedOut(instance: Instance, request: HttpRequest): RpcError {
  const code = instance.generation === "v4" ? Code.Internal : Code.NotFound;
  return instanceError(instance, request, code, ": context deadline exceeded");
}

function instanceError(instance: Instance, request: HttpRequest, code: Code, cause = ""): RpcError {
  const domain = `ExternalDomain is ${instance.hosts[0]}`;
  const text = `unable to set instance using origin ${hostOf(request)} (${domain})${cause}`;
  return new RpcError(code, text);
}

/** The host that a request names: ZITADEL finds its instance by it. */
function hostOf(request: HttpRequest): string {
  const named = ["x-zitadel-instance-host", "x-forwarded-host"].map((name) =>
    headerOf(request, name),
  );
  return named.find((host) => host !== undefined && host !== "") ?? request.host;
}
