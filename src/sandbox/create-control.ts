import { generateKeyPairSync } from "node:crypto";
import { own, show } from "../options/checker.js";
import type {
  GrantInit,
  OAuthControl,
  OrgInit,
  ProjectInit,
  RoleAssignment,
  SandboxControl,
  UserInit,
} from "./control.js";
import { createUser, type Membership, scopeOfRole } from "./model/entities.js";
import {
  type Instance,
  issueToken,
  mustExist,
  projectGrantKey,
  randomToken,
} from "./model/instance.js";
import { type Adders, checkInit, initChecks, type Kind } from "./seed.js";

/**
 * Adds the entities that exist from the start.
 *
 * @internal Its types are Node's, and exports of this file are loaded in browser projects too.
 */
export function createControl(
  instance: Instance,
  token = randomToken(),
  firstOrgId = instance.nextId(),
): { control: SandboxControl; add: Adders } {
  const { orgs, projects, projectGrants, users, grants, tokens, faults, nextId, now } = instance;
  const firstProjectId = nextId();

  const addOrg = ({ orgId = nextId(), name = `Organization ${orgId}` }: OrgInit) => {
    orgs.set(orgId, { orgId, name, createdAtMs: now() });
    grants.projection.invalidate();
    return { orgId };
  };

  const addProject = ({
    projectId = nextId(),
    orgId = firstOrgId,
    name = `Project ${projectId}`,
    roleKeys = [],
  }: ProjectInit) => {
    mustExist(orgs, "organization", orgId);
    projects.set(projectId, { projectId, orgId, name, roleKeys: new Set(roleKeys) });
    grants.projection.invalidate();
    return { projectId };
  };

  const addProjectGrant: SandboxControl["addProjectGrant"] = (init) => {
    const { projectId, orgId } = own(init);
    mustExist(projects, "project", projectId);
    mustExist(orgs, "organization", orgId);
    const projectGrantId = nextId();
    projectGrants.set(projectGrantKey(projectId, orgId), projectGrantId);
    return { projectGrantId };
  };

  const addToken: SandboxControl["addToken"] = (init) => {
    const {
      userId,
      audience = true,
      scopes = ["openid"],
      expiresInMs = Number.POSITIVE_INFINITY,
      token: value,
    } = own(init);
    mustExist(users, "user", userId);
    return issueToken(instance, { userId, audience, scopes, expiresInMs }, value);
  };

  const addUser = ({
    userId = nextId(),
    orgId = firstOrgId,
    name,
    roles = [],
    token: value,
    ...rest
  }: UserInit) => {
    mustExist(orgs, "organization", orgId);
    const memberships = roles.map((role) =>
      toMembership(instance, orgId, typeof role === "string" ? own({ role }) : own(role)),
    );
    const known = { ...rest, userId, orgId, displayName: name, memberships, createdAtMs: now() };
    users.set(userId, createUser(known));
    grants.projection.invalidate();
    return { userId, token: addToken({ userId, token: value }) };
  };

  const addGrant = ({
    grantId = nextId(),
    userId = nextId(),
    orgId = firstOrgId,
    projectId = orgId === firstOrgId ? firstProjectId : addProject({ orgId }).projectId,
    roleKeys = [],
    state = "active",
  }: GrantInit) => {
    mustExist(orgs, "organization", orgId);
    mustExist(projects, "project", projectId);
    if (grants.get(grantId) !== undefined) {
      throw new TypeError(`The sandbox has a grant ${JSON.stringify(grantId)} already`);
    }
    if (!users.has(userId)) {
      users.set(userId, createUser({ userId, orgId, createdAtMs: now(), isMadeUp: true }));
    }
    for (const key of roleKeys) {
      projects.get(projectId)?.roleKeys.add(key);
    }
    const projectGrantId =
      projects.get(projectId)?.orgId === orgId
        ? undefined
        : (projectGrants.get(projectGrantKey(projectId, orgId)) ??
          addProjectGrant({ projectId, orgId }).projectGrantId);
    grants.add({ grantId, userId, orgId, projectId, projectGrantId, roleKeys, state }, false);
    return { userId, grantId };
  };

  addOrg({ orgId: firstOrgId, name: "ZITADEL" });
  addProject({ projectId: firstProjectId });
  const owner = addUser({
    name: "zitadel-admin",
    userName: "zitadel-admin",
    roles: ["IAM_OWNER"],
    token,
  });
  const checked =
    <I extends object, R>(kind: Kind, add: (init: I) => R) =>
    (init = {} as I) =>
      add(checkInit(kind, init, initChecks[kind]) as I);
  const control: SandboxControl = {
    ...createOAuthControl(instance, owner.userId),
    token,
    orgId: firstOrgId,
    projectId: firstProjectId,
    addGrant: checked("grant", addGrant),
    addOrg: checked("org", addOrg),
    addProject: checked("project", addProject),
    addUser: checked("user", addUser),
    addProjectGrant,
    addToken,
    grant: (grantId) => {
      const found = grants.get(grantId);
      if (found === undefined) {
        return undefined;
      }
      const { userId, orgId, projectId, roleKeys, state } = found;
      return { userId, orgId, projectId, ...(roleKeys.length > 0 ? { roleKeys } : {}), state };
    },
    failNext: (fault) => faults.add(fault),
    deactivateUser: (userId) => {
      const user = mustExist(users, "user", userId);
      users.set(userId, { ...user, state: "inactive" });
    },
    skipNextProjections: (changes) => {
      if (!Number.isSafeInteger(changes) || changes < 0) {
        throw new TypeError(`skipNextProjections takes an integer from 0; got ${show(changes)}`);
      }
      grants.projection.skipNext(changes);
    },
    revokeToken: (value) => {
      tokens.delete(value);
    },
  };
  return { control, add: { org: addOrg, project: addProject, user: addUser, grant: addGrant } };
}

function createOAuthControl(
  { users, tokens, apps, serviceUserKeys, clientSecrets, nextId, now }: Instance,
  ownerId: string,
): OAuthControl {
  return {
    addKey: (init = {}) => {
      const { userId = ownerId, expiresInMs } = own(init);
      mustExist(users, "user", userId);
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const keyId = nextId();
      const expiresAtMs = expiresInMs === undefined ? Date.UTC(9999, 0) : now() + expiresInMs;
      serviceUserKeys.set(keyId, { userId, publicKey, expiresAtMs });
      return {
        type: "serviceaccount",
        keyId,
        key: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
        expirationDate: new Date(expiresAtMs).toISOString(),
        userId,
      };
    },
    removeKey: (keyId) => {
      serviceUserKeys.delete(keyId);
    },
    addClientSecret: (init = {}) => {
      const { userId = ownerId } = own(init);
      mustExist(users, "user", userId);
      const clientId = `client-${userId}`;
      const clientSecret = randomToken();
      clientSecrets.set(clientId, { userId, secret: clientSecret });
      return { clientId, clientSecret };
    },
    addApp: (init) => {
      const { clientId = nextId(), ...app } = own(init);
      apps.set(clientId, { ...app, clientId });
      return { clientId };
    },
    expireTokens: (userId) => {
      for (const [value, token] of tokens) {
        if (userId === undefined || token.userId === userId) {
          tokens.set(value, { ...token, expiresAtMs: now() });
        }
      }
    },
  };
}

function toMembership(
  { orgs, projects }: Instance,
  orgIdOfUser: string,
  { role, orgId = orgIdOfUser, projectId }: RoleAssignment,
): Membership {
  switch (scopeOfRole(role)) {
    case "instance":
      return { role, orgId: undefined, projectId: undefined };
    case "organization":
      mustExist(orgs, "organization", orgId);
      return { role, orgId, projectId: undefined };
    case "project":
      if (projectId === undefined) {
        throw new TypeError(`The role ${role} is held in a project: give its projectId`);
      }
      return { role, orgId: mustExist(projects, "project", projectId).orgId, projectId };
  }
}
