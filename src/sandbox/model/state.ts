import type { AccessToken, Org, Project, ProjectGrant, User } from "./entities.js";
import { GrantStore } from "./grant-store.js";

/** The complete state of the sandbox. Grants are replaced, not changed. */
export interface State {
  readonly orgs: Map<string, Org>;
  readonly projects: Map<string, Project>;
  /** By their own id. */
  readonly projectGrants: Map<string, ProjectGrant>;
  readonly users: Map<string, User>;
  readonly tokens: Map<string, AccessToken>;
  readonly grants: GrantStore;
  readonly nextId: () => string;
}

/** @param projectionDelayMs how long a change takes to appear in searches. */
export function createState(now: () => number, projectionDelayMs: number): State {
  let lastId = 400_000_000_000_000_000n;
  return {
    orgs: new Map(),
    projects: new Map(),
    projectGrants: new Map(),
    users: new Map(),
    tokens: new Map(),
    grants: new GrantStore(now, projectionDelayMs),
    // 18 digits, like ZITADEL's, and far enough apart that a mistyped id is unused.
    nextId: () => {
      lastId += 16_777_259n;
      return String(lastId);
    },
  };
}
