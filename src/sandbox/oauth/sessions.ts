import { createHash } from "node:crypto";
import { SignJWT } from "jose";
import type { HttpResponse } from "../http/http.js";
import type { User } from "../model/entities.js";
import {
  type App,
  type Instance,
  issueToken,
  type OidcSession,
  orgDomain,
  randomToken,
  relatedTo,
  type SignIn,
} from "../model/instance.js";
import { issuerOf, OAuthError, type OAuthRequest, openIdResponse, required } from "./response.js";

/** Redeems a code, once: RFC 6749, section 4.1.3, and RFC 7636, section 4.6. */
export function redeemCode(instance: Instance, app: App, form: URLSearchParams): OidcSession {
  const { codes } = instance;
  const value = required(form, "code");
  const redirectUri = required(form, "redirect_uri");
  const code = codes.get(value);
  if (code === undefined) {
    throw new OAuthError("invalid_request", "Errors.AuthRequest.NotFound", 404);
  }
  const { request, signIn } = code;
  if (request.clientId !== app.clientId) {
    throw new OAuthError("invalid_grant", "invalid code");
  }
  const verifier = form.get("code_verifier") ?? "";
  if (request.codeChallenge === undefined || verifier === "") {
    throw new OAuthError("invalid_request", "code_challenge required");
  }
  if (createHash("sha256").update(verifier).digest("base64url") !== request.codeChallenge) {
    throw new OAuthError("invalid_grant", "invalid code_verifier");
  }
  if (redirectUri !== request.redirectUri) {
    throw new OAuthError("invalid_grant", "redirect_uri does not correspond");
  }
  codes.delete(value);
  return openSession(instance, signIn, true);
}

/** Redeems a refresh token, once. The access token issued with it is revoked too. */
export function redeemRefreshToken(
  instance: Instance,
  app: App,
  form: URLSearchParams,
): OidcSession {
  const { sessions, tokens, now } = instance;
  const value = required(form, "refresh_token");
  const session = findSession(instance, value);
  if (
    session?.refreshToken !== value ||
    session.signIn.clientId !== app.clientId ||
    session.expiresAtMs <= now()
  ) {
    throw new OAuthError("invalid_request", "Errors.OIDCSession.RefreshTokenInvalid");
  }
  sessions.delete(session);
  tokens.delete(session.accessToken);
  return openSession(instance, session.signIn, true);
}

/** The session to which one of these tokens belongs. */
export function findSession({ sessions }: Instance, token: string): OidcSession | undefined {
  return [...sessions].find(
    ({ refreshToken, accessToken }) => refreshToken === token || accessToken === token,
  );
}

const audienceScope = "urn:zitadel:iam:org:project:id:zitadel:aud";

/**
 * Issues the tokens of a sign-in. Without the audience scope, ZITADEL's own APIs reject the access token.
 *
 * @param isKept whether it can be refreshed and revoked: a service user's is not.
 */
export function openSession(instance: Instance, signIn: SignIn, isKept: boolean): OidcSession {
  const { users, sessions, now } = instance;
  const { userId, scopes } = signIn;
  if (users.get(userId)?.state !== "active") {
    throw new OAuthError("invalid_request", "Errors.User.NotActive");
  }
  const audience = scopes.includes(audienceScope);
  const expiresInMs = instance.accessTokenLifetimeMs;
  const session: OidcSession = {
    signIn,
    accessToken: issueToken(instance, { userId, audience, scopes, expiresInMs }),
    refreshToken: isKept && scopes.includes("offline_access") ? randomToken() : undefined,
    expiresAtMs: now() + instance.refreshTokenLifetimeMs,
  };
  if (isKept) {
    sessions.add(session);
  }
  return session;
}

/** The token response: RFC 6749, section 5.1. By the time it is written, part of a second has passed. */
export async function tokenResponse(
  context: OAuthRequest,
  session: OidcSession,
): Promise<HttpResponse> {
  const { instance, request } = context;
  const { accessToken, refreshToken, signIn } = session;
  return openIdResponse(context, {
    access_token: accessToken,
    token_type: "Bearer",
    refresh_token: refreshToken,
    expires_in: Math.floor((instance.accessTokenLifetimeMs - 1) / 1000),
    id_token: signIn.scopes.includes("openid")
      ? await idToken(instance, issuerOf(request), session)
      : undefined,
  });
}

/**
 * OpenID Connect Core 1.0, section 2. It says nothing of the user but who it is, unless the application asks for
 * more.
 */
async function idToken(
  instance: Instance,
  issuer: string,
  { signIn, accessToken }: OidcSession,
): Promise<string> {
  const { users, apps, signingKey, now } = instance;
  const { userId, clientId, nonce, authenticatedAtMs, scopes } = signIn;
  const user = users.get(userId);
  const asserts = apps.get(clientId)?.idTokenUserinfoAssertion;
  const { keyId, privateKey } = await signingKey();
  const nowSeconds = Math.floor(now() / 1000);
  const hash = createHash("sha256").update(accessToken).digest();
  return new SignJWT({
    ...(asserts && user ? userClaims(instance, user, scopes) : {}),
    auth_time: Math.floor(authenticatedAtMs / 1000),
    amr: ["pwd"],
    azp: clientId,
    client_id: clientId,
    at_hash: hash.subarray(0, hash.length / 2).toString("base64url"),
    ...(nonce === undefined ? {} : { nonce }),
  })
    .setProtectedHeader({ alg: "RS256", kid: keyId })
    .setIssuer(issuer)
    .setSubject(userId)
    .setAudience([clientId])
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.ceil(instance.accessTokenLifetimeMs / 1000))
    .sign(privateKey);
}

/**
 * What the scopes ask for, of userinfo and of ID tokens of applications that assert it there. Roles are those
 * that the projection shows.
 */
export function userClaims(
  instance: Instance,
  user: User,
  scopes: readonly string[],
): Record<string, unknown> {
  const org = instance.orgs.get(user.orgId);
  const claims: Record<string, unknown> = {};
  if (scopes.includes("profile")) {
    claims.name = user.displayName;
    claims.preferred_username = user.loginName;
  }
  if (scopes.includes("email") && user.email !== undefined) {
    claims.email = user.email;
    claims.email_verified = true;
  }
  if (scopes.includes("urn:zitadel:iam:user:resourceowner") && org !== undefined) {
    claims["urn:zitadel:iam:user:resourceowner:id"] = org.orgId;
    claims["urn:zitadel:iam:user:resourceowner:name"] = org.name;
  }
  if (scopes.includes("urn:zitadel:iam:org:projects:roles")) {
    for (const scope of scopes) {
      const [, projectId] = /^urn:zitadel:iam:org:project:id:(.+):aud$/.exec(scope) ?? [];
      const roles = projectId === undefined ? {} : rolesIn(instance, user.userId, projectId);
      if (Object.keys(roles).length > 0) {
        claims[`urn:zitadel:iam:org:project:${projectId}:roles`] = roles;
      }
    }
  }
  return claims;
}

/** By role: the organizations that granted it, with their domains. */
function rolesIn(instance: Instance, userId: string, projectId: string) {
  const grants = instance.grants.projection.search(
    { userId, projectId },
    (grant) => grant.userId === userId && grant.projectId === projectId && grant.state === "active",
  );
  const roles: Record<string, Record<string, string>> = {};
  for (const grant of grants) {
    const { org } = relatedTo(instance, grant);
    for (const key of grant.roleKeys) {
      roles[key] = { ...roles[key], [org.orgId]: orgDomain(instance, org.name) };
    }
  }
  return roles;
}
