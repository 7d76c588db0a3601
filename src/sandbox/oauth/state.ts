import { createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

/** A public client of type user agent, which signs users in with PKCE. */
export interface App {
  readonly clientId: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  /** Whether ID tokens hold what userinfo returns. */
  readonly idTokenUserinfoAssertion: boolean;
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

export interface OAuthState {
  readonly accessTokenLifetimeMs: number;
  readonly refreshTokenLifetimeMs: number;
  readonly apps: Map<string, App>;
  /** By key id. */
  readonly serviceUserKeys: Map<string, ServiceUserPublicKey>;
  /** By client id. */
  readonly clientSecrets: Map<string, ClientSecret>;
  readonly authRequests: Map<string, AuthRequest>;
  /** Authorization codes that have not been used. */
  readonly codes: Map<string, { readonly request: AuthRequest; readonly signIn: SignIn }>;
  readonly sessions: Set<OidcSession>;
  /** Signs ID tokens. Created on first use. */
  readonly signingKey: () => Promise<SigningKey>;
}

/** Lifetimes as in ZITADEL's defaults: 12 hours, and 30 days without use. */
export function createOAuthState(
  nextId: () => string,
  accessTokenLifetimeMs = 12 * 3_600_000,
  refreshTokenLifetimeMs = 30 * 24 * 3_600_000,
): OAuthState {
  let signingKey: Promise<SigningKey> | undefined;
  return {
    accessTokenLifetimeMs,
    refreshTokenLifetimeMs,
    apps: new Map(),
    serviceUserKeys: new Map(),
    clientSecrets: new Map(),
    authRequests: new Map(),
    codes: new Map(),
    sessions: new Set(),
    signingKey: () => {
      signingKey ??= createSigningKey(nextId());
      return signingKey;
    },
  };
}

type SigningKey = Readonly<Record<"privateKey" | "publicKey", KeyObject> & { keyId: string }>;

async function createSigningKey(keyId: string): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return { keyId, privateKey, publicKey: createPublicKey(privateKey) };
}
