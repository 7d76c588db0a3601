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

export function roleAllows(role: Role, permission: Permission): boolean {
  return permissionsOf(role).includes(permission);
}

export function permissionsOf(role: Role): readonly Permission[] {
  return permissionsOfRoles[role];
}

export function scopeOfRole(role: Role): "instance" | "organization" | "project" {
  if (role.startsWith("IAM_")) {
    return "instance";
  }
  return role.startsWith("ORG_") ? "organization" : "project";
}
