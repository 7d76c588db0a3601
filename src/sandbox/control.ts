import type { ServiceUserKey } from "../auth/key.js";
import type { Role } from "./model/entities.js";
import type { FaultInit } from "./model/faults.js";

/** A manager role to assign to a user. */
export interface RoleAssignment {
  /** `IAM_…` is held at the instance, `ORG_…` in an organization, `PROJECT_…` in one project. */
  readonly role: Role;
  /** For `ORG_…`. Default: the user's organization. */
  readonly orgId?: string | undefined;
  /** For `PROJECT_…`, where it is required. */
  readonly projectId?: string | undefined;
}

/** The state of one grant in the sandbox. */
export interface GrantInfo {
  readonly userId: string;
  readonly orgId: string;
  readonly projectId: string;
  /** Absent if there are no roles. */
  readonly roleKeys?: readonly string[];
  readonly state: "active" | "inactive";
}

/** An organization to add. Everything is optional. */
export interface OrgInit {
  readonly orgId?: string | undefined;
  readonly name?: string | undefined;
}

/** A project to add. Everything is optional. */
export interface ProjectInit {
  readonly projectId?: string | undefined;
  /** The organization that owns it. Default: the sandbox's own. */
  readonly orgId?: string | undefined;
  readonly name?: string | undefined;
  /** The keys of the roles that can be granted. Default: no roles; `addGrant` adds those that it uses. */
  readonly roleKeys?: readonly string[] | undefined;
}

/** A user to add. Everything is optional; missing fields are made up. */
export interface UserInit {
  readonly userId?: string | undefined;
  /** The organization of the user, and of calls that name no organization. Default: `orgId`. */
  readonly orgId?: string | undefined;
  /** Machines are ZITADEL's service users: they have no email. Default: `"human"`. */
  readonly type?: "human" | "machine" | undefined;
  /** The display name, `"Jane Doe"`. First and last name are taken from it unless they are given. */
  readonly name?: string | undefined;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
  readonly email?: string | undefined;
  /** Default: `loginName`, or the email. */
  readonly userName?: string | undefined;
  /** Default: `userName`. */
  readonly loginName?: string | undefined;
  /**
   * Tokens of an inactive user are rejected, and the token endpoint issues no new ones. Default: `"active"`.
   */
  readonly state?: "active" | "inactive" | undefined;
  /** A language tag that comes before `accept-language`. Default: no language, as for service users. */
  readonly preferredLanguage?: string | undefined;
  /** The access token that is returned. Default: a random one. */
  readonly token?: string | undefined;
  /** Manager roles. Without any, every management call of the user gets NOT_FOUND AUTHZ-cdgFk. */
  readonly roles?: readonly (Role | RoleAssignment)[] | undefined;
}

/** A grant to add: project access of a user. Everything is optional; missing fields are made up. */
export interface GrantInit {
  readonly grantId?: string | undefined;
  /** Default: a new user. An unknown user is added, with a made-up name. */
  readonly userId?: string | undefined;
  /** Default: the sandbox's own organization. */
  readonly orgId?: string | undefined;
  /** Default: the sandbox's own project, or in another organization a new one. */
  readonly projectId?: string | undefined;
  /** Default: no roles. Roles that the project lacks are added to it. */
  readonly roleKeys?: readonly string[] | undefined;
  /** Default: `"active"`. */
  readonly state?: "active" | "inactive" | undefined;
}

/** Credentials of the sandbox's users and applications. */
export interface OAuthControl {
  /** Creates a key file for a user. */
  addKey(key?: {
    /** Default: the owner of the sandbox's `token`, to whom everything is allowed. */
    readonly userId?: string | undefined;
    /** Milliseconds from now until the key expires. Default: it expires in the year 9999. */
    readonly expiresInMs?: number | undefined;
  }): ServiceUserKey;

  /** Revokes a key. */
  removeKey(keyId: string): void;

  /** Creates a client id and a secret for a user. Earlier ones of the same user become invalid. */
  addClientSecret(secret?: {
    /** Default: the owner of the sandbox's `token`, to whom everything is allowed. */
    readonly userId?: string | undefined;
  }): { clientId: string; clientSecret: string };

  /** Registers an application that signs users in with PKCE, without a secret. */
  addApp(app: {
    /** Default: an id like ZITADEL's. */
    readonly clientId?: string | undefined;
    readonly redirectUris: readonly string[];
    readonly postLogoutRedirectUris?: readonly string[] | undefined;
    /**
     * ZITADEL's setting 'User Info inside ID Token': ID tokens then hold name, email and roles, as far as the
     * scopes ask for them. Default: false, and they say only who the user is.
     */
    readonly idTokenUserinfoAssertion?: boolean | undefined;
  }): { clientId: string };

  /** Expires the access tokens of a user, or of all users, now. Refresh tokens stay valid. */
  expireTokens(userId?: string): void;
}

/**
 * Reads and changes the state of the sandbox, without permission checks. Every function throws a TypeError for
 * a value or a field that is not allowed, and for an organization, a project or a user that does not exist.
 */
export interface SandboxControl extends OAuthControl {
  /** An access token of a user who is IAM_OWNER, to whom everything is allowed. */
  readonly token: string;
  /** The organization that exists from the start. The owner of `token` belongs to it. */
  readonly orgId: string;
  /** The project that exists from the start, in that organization. Grants belong to it by default. */
  readonly projectId: string;

  /** Adds a grant; throws a TypeError as well if there is one with the same id. */
  addGrant(grant?: GrantInit): { userId: string; grantId: string };

  /** The grant, or undefined if it does not exist: it was never added, or has been removed. */
  grant(grantId: string): GrantInfo | undefined;

  /** Adds an organization, or replaces the one with the same id. */
  addOrg(org?: OrgInit): { orgId: string };

  /** Adds a project, or replaces the one with the same id. */
  addProject(project?: ProjectInit): { projectId: string };

  /**
   * Lets another organization grant a project to its own users, as a project grant of ZITADEL does.
   * `addGrant` calls it if needed.
   */
  addProjectGrant(grant: { readonly projectId: string; readonly orgId: string }): {
    projectGrantId: string;
  };

  /** Adds a user, or replaces the one with the same id, and returns an access token of theirs. */
  addUser(user?: UserInit): { userId: string; token: string };

  /** Issues a further token to a user. */
  addToken(token: {
    readonly userId: string;
    /** Whether it has the audience scope of ZITADEL's APIs; they reject it otherwise. Default: true. */
    readonly audience?: boolean | undefined;
    /** The scopes that decide what `/oidc/v1/userinfo` returns. Default: `["openid"]`. */
    readonly scopes?: readonly string[] | undefined;
    /** Milliseconds from now until it expires. Default: it does not expire. */
    readonly expiresInMs?: number | undefined;
    /** The token itself. Default: a random one. */
    readonly token?: string | undefined;
  }): string;

  /** Injects faults into the next calls: they fail, take longer, or lose their response. */
  failNext(fault: FaultInit): void;

  /**
   * Deactivates a user: the token endpoint then responds with `Errors.User.NotActive`, and their tokens are
   * rejected.
   */
  deactivateUser(userId: string): void;

  /**
   * Makes the projection miss the next changes of grants for good, as a busy ZITADEL does: responses say that
   * a grant was changed, while searches, userinfo and ID tokens show it as before. Each grant of a removal
   * counts. What the projection shows is mended by later changes of a grant, as far as it has it at all.
   */
  skipNextProjections(changes: number): void;

  /** Makes a token unknown to the server. */
  revokeToken(token: string): void;
}
