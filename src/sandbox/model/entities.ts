import type { Role } from "./roles.js";

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

/** A project that its organization has granted to another one, which can then grant it to its users. */
export interface ProjectGrant {
  readonly projectGrantId: string;
  readonly projectId: string;
  readonly grantedOrgId: string;
}

/** A manager role that a user holds: at the instance, in an organization, or in one project of it. */
export interface Membership {
  readonly role: Role;
  /** Undefined for a role at the instance. */
  readonly orgId: string | undefined;
  /** Undefined but for a role in one project. */
  readonly projectId: string | undefined;
}

export interface User {
  readonly userId: string;
  readonly orgId: string;
  readonly type: "human" | "machine";
  readonly userName: string;
  readonly loginName: string;
  readonly displayName: string;
  /** Machines have none, and no email. */
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly email: string | undefined;
  /** Comes before the accept-language header of a request. Service users have none. */
  readonly preferredLanguage: string | undefined;
  readonly memberships: readonly Membership[];
  readonly createdAtMs: number;
}

export interface AccessToken {
  readonly userId: string;
  /** Whether it was asked for with the scope of ZITADEL's own APIs; without, they reject it. */
  readonly audience: boolean;
  readonly scopes: readonly string[];
  readonly expiresAtMs: number;
}

export interface Grant {
  readonly grantId: string;
  readonly userId: string;
  readonly orgId: string;
  readonly projectId: string;
  /** For a project of another organization: by what it was granted to this one. */
  readonly projectGrantId: string | undefined;
  readonly roleKeys: readonly string[];
  readonly state: "active" | "inactive";
  /** The number of changes that the grant has seen. */
  readonly sequence: bigint;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}
