import { randomBytes } from "node:crypto";
import type { OAuthState } from "../oauth/state.js";
import type { AccessToken, Generation, Org, Project, ProjectGrant, User } from "./entities.js";
import type { FaultQueue } from "./faults.js";
import type { GrantStore } from "./grants.js";

/** One ZITADEL instance: what its endpoints share. */
export interface Instance {
  readonly generation: Generation;
  readonly state: State;
  /** Who can sign in, and who is signed in. */
  readonly oauth: OAuthState;
  readonly faults: FaultQueue;
  /** Host names that the instance serves, without port. The first is its ExternalDomain. */
  readonly hosts: readonly string[];
  /** Whether pages of an origin may read responses. */
  readonly allowsOrigin: (origin: string) => boolean;
  /** How long a call takes, and in addition each id of a bulk removal. */
  readonly requestLatencyMs: number;
  readonly idLatencyMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** Everything that the instance stores, except for credentials. */
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

export function createState(grants: GrantStore): State {
  let lastId = 400_000_000_000_000_000n;
  return {
    orgs: new Map(),
    projects: new Map(),
    projectGrants: new Map(),
    users: new Map(),
    tokens: new Map(),
    grants,
    // 18 digits, like ZITADEL's, and far enough apart that a mistyped id is unused.
    nextId: () => {
      lastId += 16_777_259n;
      return String(lastId);
    },
  };
}

/** Creates an access token that the instance accepts until it expires, and returns it. */
export function issueToken(
  instance: Instance,
  token: Omit<AccessToken, "expiresAtMs"> & { readonly expiresInMs: number },
  value = randomToken(),
): string {
  const { expiresInMs, ...rest } = token;
  instance.state.tokens.set(value, { ...rest, expiresAtMs: instance.now() + expiresInMs });
  return value;
}

/** The token with its user, if both are valid. */
export function findToken(
  { state, now }: Instance,
  value: string,
): { readonly user: User; readonly token: AccessToken } | undefined {
  const token = state.tokens.get(value);
  const user = token && state.users.get(token.userId);
  return token !== undefined && token.expiresAtMs > now() && user?.state === "active"
    ? { user, token }
    : undefined;
}

/** An opaque secret. */
export function randomToken(): string {
  return randomBytes(48).toString("base64url");
}

/** The header by which support finds a request: 20 characters. v2.70 does not send it. */
export function requestIdHeader({ generation }: Instance): Record<string, string> {
  const id = [...randomBytes(20)].map((byte) => (byte & 31).toString(32)).join("");
  return generation === "v4" ? { "x-request-id": id } : {};
}

/** The domain that ZITADEL derives from an organization's name. */
export function orgDomain({ hosts }: Instance, name: string): string {
  return `${name.toLowerCase().replaceAll(" ", "-")}.${hosts[0]}`;
}
