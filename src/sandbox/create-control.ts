import { generateKeyPairSync } from "node:crypto";
import { own, show } from "../options/checker.js";
import type {
  GrantInit,
  OAuthControl,
  ProjectInit,
  RoleAssignment,
  SandboxControl,
  UserInit,
} from "./control.js";
import { createUser, type Membership, scopeOfRole } from "./model/entities.js";
import { type Instance, issueToken, randomToken } from "./model/instance.js";
import { checkInit, grantChecks, orgChecks, projectChecks, userChecks } from "./seed.js";

/**
 * Adds the entities that exist from the start.
 *
 * @internal Its types are Node's, and exports of this file are loaded in browser projects too.
 */
export function createControl(
  instance: Instance,
  firstToken: string | undefined,
  firstOrgId: string | undefined,
): SandboxControl {
  const { state, now } = instance;

  const addOrg: SandboxControl["addOrg"] = ({ orgId = state.nextId(), name } = {}) => {
    state.orgs.set(orgId, { orgId, name: name || `Organization ${orgId}`, createdAtMs: now() });
    state.grants.projection.invalidate();
    return { orgId };
  };

  const addProject = ({
    projectId = state.nextId(),
    orgId = control.orgId,
    name = `Project ${projectId}`,
    roleKeys = [],
  }: ProjectInit = {}) => {
    mustExist(state.orgs, "organization", orgId);
    state.projects.set(projectId, { projectId, orgId, name, roleKeys: new Set(roleKeys) });
    state.grants.projection.invalidate();
    return { projectId };
  };

  const addProjectGrant: SandboxControl["addProjectGrant"] = (init) => {
    const { projectId, orgId } = own(init);
    mustExist(state.projects, "project", projectId);
    mustExist(state.orgs, "organization", orgId);
    const projectGrantId = state.nextId();
    state.projectGrants.set(projectGrantId, { projectGrantId, projectId, grantedOrgId: orgId });
    return { projectGrantId };
  };

  const addToken: SandboxControl["addToken"] = (init) => {
    const {
      userId,
      audience = true,
      scopes = ["openid"],
      expiresInMs = Number.POSITIVE_INFINITY,
      token,
    } = own(init);
    mustExist(state.users, "user", userId);
    return issueToken(instance, { userId, audience, scopes, expiresInMs }, token);
  };

  const addUser = ({
    userId = state.nextId(),
    orgId = control.orgId,
    name,
    roles = [],
    token,
    ...rest
  }: UserInit = {}) => {
    mustExist(state.orgs, "organization", orgId);
    const memberships = roles.map((role) =>
      toMembership(instance, orgId, typeof role === "string" ? own({ role }) : own(role)),
    );
    const createdAtMs = now();
    state.users.set(
      userId,
      createUser({ ...rest, userId, orgId, displayName: name, memberships, createdAtMs }),
    );
    state.grants.projection.invalidate();
    return { userId, token: addToken({ userId, token }) };
  };

  /** The id of the grant of a project to an organization; undefined for the organization's own project. */
  const projectGrantFor = (projectId: string, orgId: string): string | undefined => {
    if (state.projects.get(projectId)?.orgId === orgId) {
      return undefined;
    }
    for (const granted of state.projectGrants.values()) {
      if (granted.projectId === projectId && granted.grantedOrgId === orgId) {
        return granted.projectGrantId;
      }
    }
    return addProjectGrant({ projectId, orgId }).projectGrantId;
  };

  const addGrant = ({
    grantId = state.nextId(),
    userId = state.nextId(),
    orgId = control.orgId,
    projectId = orgId === control.orgId ? control.projectId : addProject({ orgId }).projectId,
    roleKeys = [],
    state: grantState = "active",
  }: GrantInit = {}) => {
    mustExist(state.orgs, "organization", orgId);
    mustExist(state.projects, "project", projectId);
    if (state.grants.get(grantId) !== undefined) {
      throw new TypeError(`The sandbox has a grant ${JSON.stringify(grantId)} already`);
    }
    if (!state.users.has(userId)) {
      state.users.set(userId, createUser({ userId, orgId, createdAtMs: now(), isMadeUp: true }));
    }
    for (const key of roleKeys) {
      state.projects.get(projectId)?.roleKeys.add(key);
    }
    const projectGrantId = projectGrantFor(projectId, orgId);
    state.grants.add(
      { grantId, userId, orgId, projectId, projectGrantId, roleKeys, state: grantState },
      false,
    );
    return { userId, grantId };
  };

  const grant: SandboxControl["grant"] = (grantId) => {
    const found = state.grants.get(grantId);
    if (found === undefined) {
      return undefined;
    }
    const { userId, orgId, projectId, roleKeys, state: grantState } = found;
    return {
      userId,
      orgId,
      projectId,
      ...(roleKeys.length > 0 ? { roleKeys } : {}),
      state: grantState,
    };
  };

  const { orgId } = addOrg({ orgId: firstOrgId, name: "ZITADEL" });
  const control: SandboxControl = {
    ...createOAuthControl(instance, () => owner.userId),
    token: firstToken ?? randomToken(),
    orgId,
    projectId: state.nextId(),
    addGrant: (init = {}) => addGrant(checkInit("grant", init, grantChecks)),
    grant,
    addOrg: (init = {}) => addOrg(checkInit("org", init, orgChecks)),
    addProject: (init = {}) => addProject(checkInit("project", init, projectChecks)),
    addProjectGrant,
    addUser: (init = {}) => addUser(checkInit("user", init, userChecks)),
    addToken,
    failNext: (fault) => instance.faults.add(fault),
    deactivateUser: (userId) => {
      mustExist(state.users, "user", userId);
      const user = state.users.get(userId);
      if (user !== undefined) {
        state.users.set(userId, createUser({ ...user, state: "inactive" }));
      }
    },
    skipNextProjections: (changes) => {
      if (!Number.isSafeInteger(changes) || changes < 0) {
        throw new TypeError(`skipNextProjections takes an integer from 0; got ${show(changes)}`);
      }
      state.grants.projection.skipNext(changes);
    },
    revokeToken: (token) => {
      state.tokens.delete(token);
    },
  };
  addProject({ projectId: control.projectId });
  const owner = addUser({ name: "zitadel-admin", userName: "zitadel-admin", roles: ["IAM_OWNER"] });
  state.tokens.set(control.token, {
    userId: owner.userId,
    audience: true,
    scopes: ["openid"],
    expiresAtMs: Number.POSITIVE_INFINITY,
  });
  return control;
}

function createOAuthControl({ oauth, state, now }: Instance, ownerId: () => string): OAuthControl {
  const userOf = (userId = ownerId()): string => {
    mustExist(state.users, "user", userId);
    return userId;
  };
  return {
    addKey: (init = {}) => {
      const { userId: id, expiresInMs } = own(init);
      const userId = userOf(id);
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const keyId = state.nextId();
      const expiresAtMs = expiresInMs === undefined ? Date.UTC(9999, 0) : now() + expiresInMs;
      oauth.serviceUserKeys.set(keyId, { userId, publicKey, expiresAtMs });
      return {
        type: "serviceaccount",
        keyId,
        key: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
        expirationDate: new Date(expiresAtMs).toISOString(),
        userId,
      };
    },
    removeKey: (keyId) => {
      oauth.serviceUserKeys.delete(keyId);
    },
    addClientSecret: (init = {}) => {
      const userId = userOf(own(init).userId);
      const clientId = `client-${userId}`;
      const clientSecret = randomToken();
      oauth.clientSecrets.set(clientId, { userId, secret: clientSecret });
      return { clientId, clientSecret };
    },
    addApp: (init) => {
      const {
        clientId = state.nextId(),
        redirectUris,
        postLogoutRedirectUris = [],
        idTokenUserinfoAssertion = false,
      } = own(init);
      oauth.apps.set(clientId, {
        clientId,
        redirectUris,
        postLogoutRedirectUris,
        idTokenUserinfoAssertion,
      });
      return { clientId };
    },
    expireTokens: (userId) => {
      for (const [value, token] of state.tokens) {
        if (userId === undefined || token.userId === userId) {
          state.tokens.set(value, { ...token, expiresAtMs: now() });
        }
      }
    },
  };
}

function toMembership(
  { state }: Instance,
  orgIdOfUser: string,
  { role, orgId = orgIdOfUser, projectId }: RoleAssignment,
): Membership {
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
