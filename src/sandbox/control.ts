import type { Instance } from "./model/instance.js";
import { type Role, roleNames, scopeOfRole } from "./model/roles.js";
import type { Membership } from "./model/state.js";
import { issueToken, randomToken } from "./model/tokens.js";
import { createOAuthControl, type OAuthControl } from "./oauth/control.js";

/** A manager role to give to a user. */
export interface RoleAssignment {
  /** `IAM_…` is held at the instance, `ORG_…` in an organization, `PROJECT_…` in one project. */
  readonly role: Role;
  /** For `ORG_…`. Default: the user's organization. */
  readonly orgId?: string | undefined;
  /** For `PROJECT_…`, where it is required. */
  readonly projectId?: string | undefined;
}

/** What one grant is, as the sandbox knows it. */
export interface GrantInfo {
  readonly userId: string;
  readonly orgId: string;
  readonly projectId: string;
  readonly state: "active" | "inactive";
}

/** Looks at and changes what the sandbox knows, past all permissions. */
export interface SandboxControl extends OAuthControl {
  /** An access token of a user who is IAM_OWNER: everything is allowed. */
  readonly token: string;
  /** The organization that exists from the start, and that the owner of `token` belongs to. */
  readonly orgId: string;
  /** The project that exists from the start, in that organization. Grants are of it by default. */
  readonly projectId: string;

  /**
   * Adds a grant: project access of a user. What is left out is made up; the organization is `orgId`
   * and the project `projectId` of the sandbox, or a project of its own in another organization.
   *
   * @throws TypeError when the organization or the project does not exist, or the grant does already.
   */
  addGrant(grant?: {
    readonly grantId?: string | undefined;
    readonly userId?: string | undefined;
    readonly orgId?: string | undefined;
    readonly projectId?: string | undefined;
    /** Default: `"active"`. */
    readonly state?: "active" | "inactive" | undefined;
  }): { userId: string; grantId: string };

  /** The grant, or undefined when there is none: never added, or removed. */
  grant(grantId: string): GrantInfo | undefined;

  /** Adds an organization. */
  addOrg(org?: { readonly orgId?: string | undefined; readonly name?: string | undefined }): {
    orgId: string;
  };

  /**
   * Adds a project, by default to the sandbox's own organization.
   *
   * @throws TypeError when the organization does not exist.
   */
  addProject(project?: {
    readonly projectId?: string | undefined;
    readonly orgId?: string | undefined;
  }): { projectId: string };

  /**
   * Adds a user who calls the API, and a token for them. Without roles they have no membership, and
   * every management call gets NOT_FOUND AUTHZ-cdgFk.
   *
   * @throws TypeError for an unknown role, or one that lacks its project.
   */
  addUser(user?: {
    readonly userId?: string | undefined;
    /** Where the user belongs, and where calls go that name no organization. Default: `orgId`. */
    readonly orgId?: string | undefined;
    readonly name?: string | undefined;
    /** A language tag that comes before `accept-language`. Default: none, as for service users. */
    readonly preferredLanguage?: string | undefined;
    readonly roles?: readonly (Role | RoleAssignment)[] | undefined;
  }): { userId: string; token: string };

  /**
   * Issues a further token to a user.
   *
   * @throws TypeError when the user does not exist.
   */
  addToken(token: {
    readonly userId: string;
    /** Whether it has the audience scope of ZITADEL's APIs; they refuse it otherwise. Default: true. */
    readonly audience?: boolean | undefined;
    /** The scopes that decide what `/oidc/v1/userinfo` tells. Default: `["openid"]`. */
    readonly scopes?: readonly string[] | undefined;
    /** Milliseconds from now until it expires. Default: it does not. */
    readonly expiresInMs?: number | undefined;
  }): string;

  /** Makes a token unknown to the server. */
  revokeToken(token: string): void;
}

/**
 * Fills the instance with what exists from the start.
 *
 * @internal Its types are Node's, and what is exported from here loads in browser projects too.
 */
export function createControl(
  instance: Instance,
  firstToken: string | undefined,
  firstOrgId: string | undefined,
): SandboxControl {
  const { state } = instance;

  const addOrg: SandboxControl["addOrg"] = ({ orgId = state.nextId(), name = "" } = {}) => {
    state.orgs.set(orgId, {
      orgId,
      name: name || `Organization ${orgId}`,
      createdAtMs: instance.now(),
    });
    return { orgId };
  };

  const addProject: SandboxControl["addProject"] = ({
    projectId = state.nextId(),
    orgId = control.orgId,
  } = {}) => {
    mustExist(state.orgs, "organization", orgId);
    state.projects.set(projectId, { projectId, orgId });
    return { projectId };
  };

  const addToken: SandboxControl["addToken"] = ({
    userId,
    audience = true,
    scopes = ["openid"],
    expiresInMs = Number.POSITIVE_INFINITY,
  }) => {
    mustExist(state.users, "user", userId);
    return issueToken(instance, { userId, audience, scopes, expiresInMs });
  };

  const addUser: SandboxControl["addUser"] = ({
    userId = state.nextId(),
    orgId = control.orgId,
    name,
    preferredLanguage,
    roles = [],
  } = {}) => {
    mustExist(state.orgs, "organization", orgId);
    const memberships = roles.map((role) =>
      toMembership(instance, orgId, typeof role === "string" ? { role } : role),
    );
    state.users.set(userId, { userId, orgId, name, preferredLanguage, memberships });
    return { userId, token: addToken({ userId }) };
  };

  const addGrant: SandboxControl["addGrant"] = ({
    grantId = state.nextId(),
    userId = state.nextId(),
    orgId = control.orgId,
    projectId = orgId === control.orgId ? control.projectId : addProject({ orgId }).projectId,
    state: grantState = "active",
  } = {}) => {
    mustExist(state.orgs, "organization", orgId);
    mustExist(state.projects, "project", projectId);
    if (grantState !== "active" && grantState !== "inactive") {
      throw new TypeError(`A grant is "active" or "inactive", not ${JSON.stringify(grantState)}`);
    }
    if (state.grants.has(grantId)) {
      throw new TypeError(`The sandbox has a grant ${JSON.stringify(grantId)} already`);
    }
    state.grants.set(grantId, {
      grantId,
      userId,
      orgId,
      projectId,
      state: grantState,
      // Adding is the first change, and an inactive grant has seen a second.
      sequence: grantState === "active" ? 1n : 2n,
      changedAtMs: instance.now(),
    });
    return { userId, grantId };
  };

  const grant: SandboxControl["grant"] = (grantId) => {
    const found = state.grants.get(grantId);
    return (
      found && {
        userId: found.userId,
        orgId: found.orgId,
        projectId: found.projectId,
        state: found.state,
      }
    );
  };

  const { orgId } = addOrg({ orgId: firstOrgId, name: "ZITADEL" });
  const control = {
    ...createOAuthControl(instance, () => owner.userId),
    token: firstToken ?? randomToken(),
    orgId,
    projectId: state.nextId(),
    addGrant,
    grant,
    addOrg,
    addProject,
    addUser,
    addToken,
    revokeToken: (token: string) => {
      state.tokens.delete(token);
    },
  };
  addProject({ projectId: control.projectId });
  const owner = addUser({ name: "zitadel-admin", roles: ["IAM_OWNER"] });
  state.tokens.set(control.token, {
    userId: owner.userId,
    audience: true,
    scopes: ["openid"],
    expiresAtMs: Number.POSITIVE_INFINITY,
  });
  return control;
}

function toMembership(
  { state }: Instance,
  orgIdOfUser: string,
  { role, orgId = orgIdOfUser, projectId }: RoleAssignment,
): Membership {
  if (!roleNames.includes(role)) {
    throw new TypeError(
      `There is no role ${JSON.stringify(role)}; there are ${roleNames.join(", ")}`,
    );
  }
  switch (scopeOfRole(role)) {
    case "instance":
      return { role, orgId: undefined, projectId: undefined };
    case "organization":
      mustExist(state.orgs, "organization", orgId);
      return { role, orgId, projectId: undefined };
    case "project":
      if (projectId === undefined) {
        throw new TypeError(`The role ${role} is held in a project: give its projectId`);
      }
      mustExist(state.projects, "project", projectId);
      return { role, orgId: state.projects.get(projectId)?.orgId, projectId };
  }
}

function mustExist(map: ReadonlyMap<string, unknown>, kind: string, id: string): void {
  if (!map.has(id)) {
    throw new TypeError(`The sandbox has no ${kind} ${JSON.stringify(id)}: add it first`);
  }
}
