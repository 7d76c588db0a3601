/** The versions of ZITADEL that the sandbox can imitate. `docs/sandbox.md` lists the differences. */
export const generations = ["v4", "v2.70"] as const;

/** `"v4"` is a ZITADEL of July 2026, `"v2.70"` one of February 2025. */
export type Generation = (typeof generations)[number];

/** The permissions that the endpoints of the sandbox require. */
export type Permission =
  | "user.grant.read"
  | "user.grant.write"
  | "user.grant.delete"
  | "user.read"
  | "org.read";

const grants = ["user.grant.read", "user.grant.write", "user.grant.delete"] as const;
const reading = ["user.grant.read", "user.read", "org.read"] as const;
const everything = [...grants, "user.read", "org.read"] as const;

/**
 * The permissions of a manager role, as in the `RolePermissionMappings` of ZITADEL's `defaults.yaml`, reduced
 * to those that are checked here. The first part of a role's name is its level: the instance (`IAM_`), an
 * organization (`ORG_`) or one project (`PROJECT_`).
 */
const permissionsOfRoles = {
  IAM_OWNER: everything,
  IAM_OWNER_VIEWER: reading,
  IAM_ORG_MANAGER: everything,
  IAM_USER_MANAGER: everything,
  IAM_ADMIN_IMPERSONATOR: [],
  IAM_END_USER_IMPERSONATOR: [],
  IAM_LOGIN_CLIENT: [...reading, "user.grant.write"],
  ORG_OWNER: everything,
  ORG_OWNER_VIEWER: reading,
  ORG_SETTINGS_MANAGER: ["org.read"],
  ORG_USER_MANAGER: everything,
  ORG_USER_PERMISSION_EDITOR: everything,
  ORG_PROJECT_PERMISSION_EDITOR: everything,
  ORG_PROJECT_CREATOR: [],
  ORG_USER_SELF_MANAGER: [],
  ORG_ADMIN_IMPERSONATOR: [],
  ORG_END_USER_IMPERSONATOR: [],
  PROJECT_OWNER: [...grants, "user.read"],
  PROJECT_OWNER_VIEWER: ["user.grant.read", "user.read"],
  PROJECT_OWNER_GLOBAL: grants,
  PROJECT_OWNER_VIEWER_GLOBAL: ["user.grant.read"],
} as const satisfies Record<string, readonly Permission[]>;

/** A manager role of ZITADEL. */
export type Role = keyof typeof permissionsOfRoles;

export const roleNames = Object.keys(permissionsOfRoles) as readonly Role[];

export function permissionsOf(role: Role): readonly Permission[] {
  return permissionsOfRoles[role];
}

export function scopeOfRole(role: Role): "instance" | "organization" | "project" {
  if (role.startsWith("IAM_")) {
    return "instance";
  }
  return role.startsWith("ORG_") ? "organization" : "project";
}

export interface Org {
  readonly orgId: string;
  readonly name: string;
  readonly createdAtMs: number;
}

export interface Project {
  readonly projectId: string;
  readonly orgId: string;
  readonly name: string;
  /** The roles that can be granted. */
  readonly roleKeys: Set<string>;
}

/** A manager role of a user: at the instance, in an organization, or in one project of it. */
export interface Membership {
  readonly role: Role;
  /** Undefined for a role at the instance. */
  readonly orgId: string | undefined;
  /** Only for a role in one project. */
  readonly projectId: string | undefined;
}

export interface User {
  readonly userId: string;
  readonly orgId: string;
  readonly type: "human" | "machine";
  /** Tokens of an inactive user are rejected, and no new ones are issued. */
  readonly state: "active" | "inactive";
  readonly userName: string;
  readonly loginName: string;
  readonly displayName: string;
  /** Only for humans; machines have no email either. */
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly email: string | undefined;
  /** Takes precedence over the accept-language header of a request. Not set for service users. */
  readonly preferredLanguage: string | undefined;
  readonly memberships: readonly Membership[];
  /** Only a grant names the user. */
  readonly isMadeUp: boolean;
  readonly createdAtMs: number;
}

export interface AccessToken {
  readonly userId: string;
  /** Whether it was requested with the scope of ZITADEL's own APIs; they reject it otherwise. */
  readonly audience: boolean;
  readonly scopes: readonly string[];
  readonly expiresAtMs: number;
}

export interface Grant {
  readonly grantId: string;
  readonly userId: string;
  readonly orgId: string;
  readonly projectId: string;
  /** For a project of another organization: the project grant. */
  readonly projectGrantId: string | undefined;
  readonly roleKeys: readonly string[];
  readonly state: "active" | "inactive";
  /** The number of changes of the grant so far. */
  readonly sequence: bigint;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** The known data of a user; the rest is made up. */
export type KnownUser = Pick<User, "userId" | "orgId" | "createdAtMs"> & {
  readonly [K in keyof User]?: User[K] | undefined;
};

export function createUser({ type = "human", state = "active", ...known }: KnownUser): User {
  const { userId, orgId, createdAtMs, memberships = [], preferredLanguage } = known;
  const [first = "User", ...rest] = known.displayName?.split(" ") ?? [];
  const firstName = known.firstName ?? first;
  const lastName = known.lastName ?? (rest.join(" ") || userId);
  const userName = known.userName ?? known.loginName ?? known.email ?? `user-${userId}`;
  const isHuman = type === "human";
  return {
    userId,
    orgId,
    type,
    state,
    userName,
    loginName: known.loginName ?? userName,
    displayName: known.displayName ?? (isHuman ? `${firstName} ${lastName}` : userName),
    firstName: isHuman ? firstName : undefined,
    lastName: isHuman ? lastName : undefined,
    email: isHuman ? (known.email ?? `user-${userId}@example.com`) : undefined,
    preferredLanguage,
    memberships,
    isMadeUp: known.isMadeUp ?? false,
    createdAtMs,
  };
}
