import type { Role } from "./roles.js";

export interface Org {
  readonly orgId: string;
  readonly name: string;
  readonly createdAtMs: number;
}

export interface Project {
  readonly projectId: string;
  readonly orgId: string;
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
  readonly name: string | undefined;
  /** Comes before the accept-language header of a request. Service users have none. */
  readonly preferredLanguage: string | undefined;
  readonly memberships: readonly Membership[];
}

export interface AccessToken {
  readonly userId: string;
  /** Whether it was asked for with the scope of ZITADEL's own APIs; without, they refuse it. */
  readonly audience: boolean;
  readonly scopes: readonly string[];
  readonly expiresAtMs: number;
}

export interface Grant {
  readonly grantId: string;
  readonly userId: string;
  readonly orgId: string;
  readonly projectId: string;
  readonly state: "active" | "inactive";
  /** The number of changes that the grant has seen. */
  readonly sequence: bigint;
  readonly changedAtMs: number;
}

/** Everything that the sandbox knows. Grants are replaced, not changed. */
export interface State {
  readonly orgs: Map<string, Org>;
  readonly projects: Map<string, Project>;
  readonly users: Map<string, User>;
  readonly tokens: Map<string, AccessToken>;
  readonly grants: Map<string, Grant>;
  readonly nextId: () => string;
}

export function createState(): State {
  let lastId = 400_000_000_000_000_000n;
  return {
    orgs: new Map(),
    projects: new Map(),
    users: new Map(),
    tokens: new Map(),
    grants: new Map(),
    // 18 digits, like ZITADEL's, and far enough apart that a mistyped one is nobody's.
    nextId: () => {
      lastId += 16_777_259n;
      return String(lastId);
    },
  };
}
