import { Code } from "@connectrpc/connect";
import { RpcError } from "./errors.js";
import type { Instance } from "./instance.js";
import type { MessageKey } from "./messages.js";
import type { Caller } from "./permissions.js";
import type { Grant } from "./state.js";

/**
 * Deactivates a grant of the caller's organization. The user id is not looked at. An inactive grant
 * is answered before the caller's projects are: whoever may deactivate anything learns of it.
 *
 * @throws CommandError
 */
export function deactivateUserGrant(instance: Instance, caller: Caller, grantId: string): Grant {
  const grant = findGrant(instance, caller, grantId);
  if (grant === undefined) {
    throw new CommandError(Code.NotFound, "Errors.UserGrant.NotFound", "COMMAND-3M9sd");
  }
  if (grant.state === "inactive") {
    if (instance.generation === "v4") {
      return grant;
    }
    throw new CommandError(Code.FailedPrecondition, "Errors.UserGrant.NotActive", "COMMAND-1S9gx");
  }
  checkProject(caller, grant);
  const deactivated: Grant = {
    ...grant,
    state: "inactive",
    sequence: grant.sequence + 1n,
    changedAtMs: instance.now(),
  };
  instance.state.grants.set(grantId, deactivated);
  return deactivated;
}

/**
 * Removes all grants or none. The ids are checked one after the other, so the first bad one decides
 * about the error.
 *
 * @throws CommandError
 */
export function bulkRemoveUserGrant(
  instance: Instance,
  caller: Caller,
  grantIds: readonly string[],
): void {
  if (grantIds.length === 0) {
    throw new CommandError(Code.InvalidArgument, "Errors.UserGrant.IDMissing", "COMMAND-5M0sd");
  }
  for (const grantId of grantIds) {
    if (grantId === "") {
      throw new CommandError(Code.InvalidArgument, "Errors.UserGrant.IDMissing", "COMMAND-J9sc5");
    }
    const grant = findGrant(instance, caller, grantId);
    if (grant === undefined) {
      throw new CommandError(Code.NotFound, "Errors.UserGrant.NotFound", "COMMAND-1My0t");
    }
    checkProject(caller, grant);
  }
  for (const grantId of grantIds) {
    instance.state.grants.delete(grantId);
  }
}

/** An error whose message is translated into the language of the call. */
export class CommandError extends Error {
  readonly code: Code;
  readonly key: MessageKey;
  readonly id: string;

  constructor(code: Code, key: MessageKey, id: string) {
    super(`${key} (${id})`);
    this.name = "CommandError";
    this.code = code;
    this.key = key;
    this.id = id;
  }

  translated(text: string): RpcError {
    return new RpcError(this.code, text, this.id);
  }
}

function findGrant(instance: Instance, caller: Caller, grantId: string): Grant | undefined {
  const grant = instance.state.grants.get(grantId);
  return grant?.orgId === caller.orgId ? grant : undefined;
}

function checkProject(caller: Caller, grant: Grant): void {
  if (caller.projects !== "all" && !caller.projects.has(grant.projectId)) {
    throw new CommandError(
      Code.PermissionDenied,
      "Errors.UserGrant.NoPermissionForProject",
      "EVENT-Shu7e",
    );
  }
}
