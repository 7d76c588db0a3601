import { Code } from "@connectrpc/connect";
import type { Grant } from "./entities.js";
import { CommandError } from "./errors.js";
import type { Instance } from "./instance.js";
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
  inactive: { notFound: "COMMAND-3M9sd", key: "UserGrant.NotActive", unchanged: "COMMAND-1S9gx" },
  active: { notFound: "COMMAND-Lp0gs", key: "UserGrant.NotInactive", unchanged: "COMMAND-1ML0v" },
} as const;

/**
 * Deactivates or reactivates a grant of the caller's organization. The user id is ignored. One that has that
 * state already is reported before the caller's projects are checked, so every caller that may change any
 * grant learns of it.
 *
 * @throws CommandError
 */
export function changeState(
  instance: Instance,
  caller: Caller,
  grantId: string,
  state: Grant["state"],
): Command<Grant> {
  const { notFound, key, unchanged } = stateErrors[state];
  const grant = findGrant(instance, caller, grantId);
  if (grant === undefined) {
    throw new CommandError(Code.NotFound, "UserGrant.NotFound", notFound);
  }
  if (grant.state === state) {
    if (instance.generation === "v4") {
      return () => grant;
    }
    throw new CommandError(Code.FailedPrecondition, key, unchanged);
  }
  checkProject(caller, grant);
  return (overlaps) => instance.state.grants.setState(grant, state, overlaps);
}

/**
 * Removes all grants or none of them. The ids are checked one after the other, so the first invalid one
 * decides the error.
 *
 * @throws CommandError
 */
export function bulkRemoveUserGrant(
  instance: Instance,
  caller: Caller,
  grantIds: readonly string[],
): Command<void> {
  if (grantIds.length === 0) {
    throw new CommandError(Code.InvalidArgument, "UserGrant.IDMissing", "COMMAND-5M0sd");
  }
  const grants = new Map<string, Grant>();
  for (const grantId of grantIds) {
    if (grantId === "") {
      throw new CommandError(Code.InvalidArgument, "UserGrant.IDMissing", "COMMAND-J9sc5");
    }
    const grant = findGrant(instance, caller, grantId);
    if (grant === undefined) {
      throw new CommandError(Code.NotFound, "UserGrant.NotFound", "COMMAND-1My0t");
    }
    checkProject(caller, grant);
    grants.set(grantId, grant);
  }
  return (overlaps) => {
    for (const grant of grants.values()) {
      instance.state.grants.remove(grant, overlaps);
    }
  };
}

/** The data of a new grant. */
export type NewGrant = Pick<Grant, "userId" | "projectId" | "projectGrantId" | "roleKeys">;

/**
 * Adds a grant in the caller's organization.
 *
 * @throws CommandError
 */
export function addUserGrant(instance: Instance, caller: Caller, init: NewGrant): Command<Grant> {
  const { state } = instance;
  checkProject(caller, init);
  if (!state.users.has(init.userId)) {
    throw new CommandError(Code.FailedPrecondition, "User.NotFound", "COMMAND-4f8sg");
  }
  const projectGrantId = checkProjectGrant(instance, caller.orgId, init);
  const known = state.projects.get(init.projectId)?.roleKeys;
  if (init.roleKeys.some((key) => !known?.has(key))) {
    throw new CommandError(Code.FailedPrecondition, "Project.Role.NotFound", "COMMAND-mm9F4");
  }
  const { orgId } = caller;
  const grantId = state.nextId();
  return (overlaps) => {
    // The database has a constraint for this: it holds when the grant is written.
    for (const grant of state.grants.ofUser(init.userId)) {
      if (
        grant.orgId === orgId &&
        grant.projectId === init.projectId &&
        grant.projectGrantId === projectGrantId
      ) {
        throw new CommandError(Code.AlreadyExists, "UserGrant.AlreadyExists", "V3-DKcYh");
      }
    }
    return state.grants.add({ ...init, grantId, orgId, projectGrantId, state: "active" }, overlaps);
  };
}

/** Returns the grant of the project to the organization; undefined if the project is its own. */
function checkProjectGrant(
  { state, generation }: Instance,
  orgId: string,
  { projectId, projectGrantId }: NewGrant,
): string | undefined {
  const project = state.projects.get(projectId);
  if (project?.orgId === orgId && projectGrantId === undefined) {
    return undefined;
  }
  // v2.70 looks for the grant of a project only if the request names one.
  if (generation === "v2.70" && projectGrantId === undefined) {
    throw new CommandError(Code.FailedPrecondition, "Project.NotFound", "COMMAND-3n77S");
  }
  for (const granted of state.projectGrants.values()) {
    if (
      granted.projectId === projectId &&
      granted.grantedOrgId === orgId &&
      (projectGrantId ?? granted.projectGrantId) === granted.projectGrantId
    ) {
      return granted.projectGrantId;
    }
  }
  throw new CommandError(Code.FailedPrecondition, "Project.Grant.NotFound", "COMMAND-4m9ff");
}

function findGrant(instance: Instance, caller: Caller, grantId: string): Grant | undefined {
  const grant = instance.state.grants.get(grantId);
  return grant?.orgId === caller.orgId ? grant : undefined;
}

function checkProject({ projects }: Caller, { projectId }: { readonly projectId: string }): void {
  if (projects !== "all" && !projects.has(projectId)) {
    throw new CommandError(
      Code.PermissionDenied,
      "UserGrant.NoPermissionForProject",
      "EVENT-Shu7e",
    );
  }
}
