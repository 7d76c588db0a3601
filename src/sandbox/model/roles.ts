/** The permissions that the endpoints of the sandbox ask for. */
export type Permission = "user.grant.write" | "user.grant.delete" | "org.read";

const grants = ["user.grant.write", "user.grant.delete"] as const;
const grantsAndOrg = [...grants, "org.read"] as const;

/**
 * What a manager role allows, as in the `RolePermissionMappings` of ZITADEL's `defaults.yaml`, reduced
 * to the permissions that are asked for here. The first part of a role's name is where it is held: at
 * the instance (`IAM_`), in an organization (`ORG_`) or in one project (`PROJECT_`).
 */
const permissionsOfRoles = {
  IAM_OWNER: grantsAndOrg,
  IAM_OWNER_VIEWER: ["org.read"],
  IAM_ORG_MANAGER: grantsAndOrg,
  IAM_USER_MANAGER: grantsAndOrg,
  IAM_ADMIN_IMPERSONATOR: [],
  IAM_END_USER_IMPERSONATOR: [],
  IAM_LOGIN_CLIENT: ["user.grant.write", "org.read"],
  ORG_OWNER: grantsAndOrg,
  ORG_OWNER_VIEWER: ["org.read"],
  ORG_SETTINGS_MANAGER: ["org.read"],
  ORG_USER_MANAGER: grantsAndOrg,
  ORG_USER_PERMISSION_EDITOR: grantsAndOrg,
  ORG_PROJECT_PERMISSION_EDITOR: grantsAndOrg,
  ORG_PROJECT_CREATOR: [],
  ORG_USER_SELF_MANAGER: [],
  ORG_ADMIN_IMPERSONATOR: [],
  ORG_END_USER_IMPERSONATOR: [],
  PROJECT_OWNER: grants,
  PROJECT_OWNER_VIEWER: [],
  PROJECT_OWNER_GLOBAL: grants,
  PROJECT_OWNER_VIEWER_GLOBAL: [],
} as const satisfies Record<string, readonly Permission[]>;

/** A manager role of ZITADEL. */
export type Role = keyof typeof permissionsOfRoles;

export const roleNames = Object.keys(permissionsOfRoles) as readonly Role[];

export function roleAllows(role: Role, permission: Permission): boolean {
  return (permissionsOfRoles[role] as readonly Permission[]).includes(permission);
}

export function scopeOfRole(role: Role): "instance" | "organization" | "project" {
  if (role.startsWith("IAM_")) {
    return "instance";
  }
  return role.startsWith("ORG_") ? "organization" : "project";
}
