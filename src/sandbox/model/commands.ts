import { Code } from "@connectrpc/connect";
import type { Grant } from "./entities.js";
import { RpcError } from "./errors.js";
import { type Instance, projectGrantKey } from "./instance.js";
import type { Caller } from "./permissions.js";

/**
 * What a command does after it has looked up what it needs. It does not look again: of two commands that
 * overlap, both succeed.
 *
 * @param overlaps whether other commands are under way at the same time.
 */
export type Command<T> = (overlaps: boolean) => T;

/** What the commands that change a grant's state reject, by the state that it gets. */
const stateErrors = {
  inactive: { missing: "COMMAND-3M9sd", unchanged: ["User grant is not active", "COMMAND-1S9gx"] },
  active: {
    missing: "COMMAND-Lp0gs",
    unchanged: ["User grant is not deactivated", "COMMAND-1ML0v"],
  },
} as const;

/**
 * Deactivates or reactivates a grant of the caller's organization. The user id is ignored. One that has that
 * state already is reported before the caller's projects are checked, so every caller that may change any
 * grant learns of it.
 *
 * @throws RpcError
 */
export function changeState(
  instance: Instance,
  caller: Caller,
  grantId: string,
  state: Grant["state"],
): Command<Grant> {
  const { missing, unchanged } = stateErrors[state];
  const grant = findGrant(instance, caller, grantId, missing);
  if (grant.state === state) {
    if (instance.generation === "v4") {
      return () => grant;
    }
    const [text, id] = unchanged;
    throw new RpcError(Code.FailedPrecondition, text, id);
  }
  checkProject(caller, grant);
  return (overlaps) => instance.grants.setState(grant, state, overlaps);
}

/**
 * Removes all grants or none of them. The ids are checked one after the other, so the first invalid one
 * decides the error.
 *
 * @throws RpcError
 */
export function bulkRemoveUserGrant(
  instance: Instance,
  caller: Caller,
  grantIds: readonly string[],
): Command<void> {
  if (grantIds.length === 0) {
    throw new RpcError(Code.InvalidArgument, "Id missing", "COMMAND-5M0sd");
  }
  const grants = new Map<string, Grant>();
  for (const grantId of grantIds) {
    if (grantId === "") {
      throw new RpcError(Code.InvalidArgument, "Id missing", "COMMAND-J9sc5");
    }
    const grant = findGrant(instance, caller, grantId, "COMMAND-1My0t");
    checkProject(caller, grant);
    grants.set(grantId, grant);
  }
  return (overlaps) => {
    for (const grant of grants.values()) {
      instance.grants.remove(grant, overlaps);
    }
  };
}

/** The data of a new grant. */
export type NewGrant = Pick<Grant, "userId" | "projectId" | "projectGrantId" | "roleKeys">;

/**
 * Adds a grant in the caller's organization.
 *
 * @throws RpcError
 */
export function addUserGrant(instance: Instance, caller: Caller, init: NewGrant): Command<Grant> {
  const { users, projects, grants, nextId } = instance;
  checkProject(caller, init);
  if (!users.has(init.userId)) {
    throw new RpcError(Code.FailedPrecondition, "User could not be found", "COMMAND-4f8sg");
  }
  const projectGrantId = checkProjectGrant(instance, caller.orgId, init);
  const known = projects.get(init.projectId)?.roleKeys;
  if (init.roleKeys.some((key) => !known?.has(key))) {
    throw new RpcError(Code.FailedPrecondition, "Errors.Project.Role.NotFound", "COMMAND-mm9F4");
  }
  const { orgId } = caller;
  const grantId = nextId();
  return (overlaps) => {
    // The database has a constraint for this: it holds when the grant is written.
    const isSame = (grant: Grant) =>
      grant.userId === init.userId &&
      grant.orgId === orgId &&
      grant.projectId === init.projectId &&
      grant.projectGrantId === projectGrantId;
    if (grants.some(isSame)) {
      throw new RpcError(Code.AlreadyExists, "User grant already exists", "V3-DKcYh");
    }
    return grants.add({ ...init, grantId, orgId, projectGrantId, state: "active" }, overlaps);
  };
}

/** Returns the grant of the project to the organization; undefined if the project is its own. */
function checkProjectGrant(
  { projects, projectGrants, generation }: Instance,
  orgId: string,
  { projectId, projectGrantId }: NewGrant,
): string | undefined {
  if (projects.get(projectId)?.orgId === orgId && projectGrantId === undefined) {
    return undefined;
  }
  // v2.70 looks for the grant of a project only if the request names one.
  if (generation === "v2.70" && projectGrantId === undefined) {
    throw new RpcError(Code.FailedPrecondition, "Project not found", "COMMAND-3n77S");
  }
  const id = projectGrants.get(projectGrantKey(projectId, orgId));
  if (id === undefined || (projectGrantId ?? id) !== id) {
    throw new RpcError(Code.FailedPrecondition, "Project Grant not found", "COMMAND-4m9ff");
  }
  return id;
}

/** @throws RpcError with this id for a grant that the organization of the call does not have. */
function findGrant({ grants }: Instance, { orgId }: Caller, grantId: string, id: string): Grant {
  const grant = grants.get(grantId);
  if (grant?.orgId !== orgId) {
    throw new RpcError(Code.NotFound, "User grant not found", id);
  }
  return grant;
}

function checkProject({ projects }: Caller, { projectId }: { readonly projectId: string }): void {
  if (projects !== "all" && !projects.has(projectId)) {
    throw new RpcError(
      Code.PermissionDenied,
      "User has no permissions on this project",
      "EVENT-Shu7e",
    );
  }
}
