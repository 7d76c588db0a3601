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
