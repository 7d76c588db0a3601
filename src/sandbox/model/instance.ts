import { createPublicKey, generateKeyPair, type KeyObject, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { platform } from "../../common/time.js";
import { isLoopback } from "../../options/checker.js";
import type { SandboxOptions } from "../options.js";
import type { AccessToken, Grant, Org, Project, User } from "./entities.js";
import { FaultQueue } from "./faults.js";
import { GrantStore } from "./grants.js";

/** A public client of type user agent, which signs users in with PKCE. */
export interface App {
  readonly clientId: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris?: readonly string[] | undefined;
  /** Whether ID tokens hold what userinfo returns. */
  readonly idTokenUserinfoAssertion?: boolean | undefined;
}

/** The public half of a service user's key. */
export interface ServiceUserPublicKey {
  readonly userId: string;
  readonly publicKey: KeyObject;
  readonly expiresAtMs: number;
}

export interface ClientSecret {
  readonly userId: string;
  readonly secret: string;
}

/** The request with which a page sent a user to sign in. */
export interface AuthRequest {
  readonly id: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string | undefined;
  readonly codeChallenge: string | undefined;
  readonly scopes: readonly string[];
}

/** Who has signed in to which client, and for what. */
export interface SignIn {
  readonly userId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly nonce: string | undefined;
  readonly authenticatedAtMs: number;
}

/** What came of a sign-in: it has one access token and one refresh token at a time. */
export interface OidcSession {
  readonly signIn: SignIn;
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** When the refresh token expires. */
  readonly expiresAtMs: number;
}

/** One ZITADEL instance: how it responds, and everything that it stores. */
export type Instance = Readonly<ReturnType<typeof createInstance>>;

export function createInstance({
  generation = "v4",
  hosts = ["localhost"],
  requestLatencyMs = 0,
  idLatencyMs = 0,
  projectionDelayMs = 0,
  projectionSkipRate = 0,
  projectionSkipSeed = 1,
  cors = "any",
  now = platform.wallMs,
  // ZITADEL's defaults: 12 hours, and 30 days without use.
  accessTokenLifetimeMs = 12 * 3_600_000,
  refreshTokenLifetimeMs = 30 * 24 * 3_600_000,
}: SandboxOptions) {
  let lastId = 400_000_000_000_000_000n;
  let signingKey: Promise<SigningKey> | undefined;
  // 18 digits, like ZITADEL's, and far enough apart that a mistyped id is unused.
  const nextId = () => {
    lastId += 16_777_259n;
    return String(lastId);
  };
  return {
    generation,
    /** Host names that the instance serves, without port. The first is its ExternalDomain. */
    hosts,
    /** Whether pages of an origin may read responses. */
    allowsOrigin: (origin: string) =>
      cors === "any" || (cors === "loopback" ? isLoopbackOrigin(origin) : cors.includes(origin)),
    /** How long a call takes, and in addition each id of a bulk removal. */
    requestLatencyMs,
    idLatencyMs,
    accessTokenLifetimeMs,
    refreshTokenLifetimeMs,
    /** Milliseconds since the Unix epoch. */
    now,
    nextId,
    faults: new FaultQueue(),

    orgs: new Map<string, Org>(),
    projects: new Map<string, Project>(),
    /** Their ids, by project and organization: projects that are granted to another one, which can grant them. */
    projectGrants: new Map<string, string>(),
    users: new Map<string, User>(),
    grants: new GrantStore({
      now,
      delayMs: projectionDelayMs,
      skipRate: projectionSkipRate,
      skipSeed: projectionSkipSeed,
    }),

    tokens: new Map<string, AccessToken>(),
    apps: new Map<string, App>(),
    /** By key id. */
    serviceUserKeys: new Map<string, ServiceUserPublicKey>(),
    /** By client id. */
    clientSecrets: new Map<string, ClientSecret>(),
    authRequests: new Map<string, AuthRequest>(),
    /** Authorization codes that have not been used. */
    codes: new Map<string, { readonly request: AuthRequest; readonly signIn: SignIn }>(),
    sessions: new Set<OidcSession>(),
    /** Signs ID tokens. Created on first use. */
    signingKey: () => {
      signingKey ??= createSigningKey(nextId());
      return signingKey;
    },
  };
}

/** Whether an origin is one of this machine's own. */
function isLoopbackOrigin(origin: string): boolean {
  const host = URL.canParse(origin) ? new URL(origin).hostname : "";
  return isLoopback(host) || host.endsWith(".localhost");
}

type SigningKey = Readonly<Record<"privateKey" | "publicKey", KeyObject> & { keyId: string }>;

async function createSigningKey(keyId: string): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return { keyId, privateKey, publicKey: createPublicKey(privateKey) };
}

/** Creates an access token that the instance accepts until it expires, and returns it. */
export function issueToken(
  instance: Instance,
  token: Omit<AccessToken, "expiresAtMs"> & { readonly expiresInMs: number },
  value = randomToken(),
): string {
  const { expiresInMs, ...rest } = token;
  instance.tokens.set(value, { ...rest, expiresAtMs: instance.now() + expiresInMs });
  return value;
}

/** The token with its user, if both are valid. */
export function findToken(
  { tokens, users, now }: Instance,
  value: string,
): { readonly user: User; readonly token: AccessToken } | undefined {
  const token = tokens.get(value);
  const user = token && users.get(token.userId);
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

/** The key of `projectGrants`. */
export function projectGrantKey(projectId: string, orgId: string): string {
  return JSON.stringify([projectId, orgId]);
}

/** What a grant refers to. */
export type Related = Readonly<ReturnType<typeof relatedTo>>;

export function relatedTo({ users, orgs, projects }: Instance, grant: Grant) {
  return {
    user: mustExist(users, "user", grant.userId),
    org: mustExist(orgs, "organization", grant.orgId),
    project: mustExist(projects, "project", grant.projectId),
  };
}

/** Users, organizations and projects are never removed: only the sandbox's own functions can name others. */
export function mustExist<T>(map: ReadonlyMap<string, T>, kind: string, id: string): T {
  const found = map.get(id);
  if (found === undefined) {
    throw new TypeError(`The sandbox has no ${kind} ${JSON.stringify(id)}: add it first`);
  }
  return found;
}
