import { createHash } from "node:crypto";
import { SignJWT } from "jose";
import type { HttpRequest } from "../http/http.js";
import type { User } from "../model/entities.js";
import { type Instance, issueToken, orgDomain, randomToken } from "../model/instance.js";
import { issuerOf, OAuthError } from "./response.js";
import type { App, OidcSession } from "./state.js";

/** Redeems a code, once: RFC 6749, section 4.1.3, and RFC 7636, section 4.6. */
export function redeemCode(instance: Instance, app: App, form: URLSearchParams): OidcSession {
  const { codes } = instance.oauth;
  const value = form.get("code") ?? "";
  if (value === "") {
    throw new OAuthError(400, "invalid_request", "code missing");
  }
  if ((form.get("redirect_uri") ?? "") === "") {
    throw new OAuthError(400, "invalid_request", "redirect_uri missing");
  }
  const code = codes.get(value);
  if (code === undefined) {
    throw new OAuthError(404, "invalid_request", "Errors.AuthRequest.NotFound");
  }
  const { request, userId, authenticatedAtMs } = code;
  if (request.clientId !== app.clientId) {
    throw new OAuthError(400, "invalid_grant", "invalid code");
  }
  const verifier = form.get("code_verifier") ?? "";
  if (request.codeChallenge === undefined || verifier === "") {
    throw new OAuthError(400, "invalid_request", "code_challenge required");
  }
  if (createHash("sha256").update(verifier).digest("base64url") !== request.codeChallenge) {
    throw new OAuthError(400, "invalid_grant", "invalid code_verifier");
  }
  if (form.get("redirect_uri") !== request.redirectUri) {
    throw new OAuthError(400, "invalid_grant", "redirect_uri does not correspond");
  }
  codes.delete(value);
  const { clientId, scopes, nonce } = request;
  return addSession(instance, { userId, clientId, scopes, nonce, authenticatedAtMs });
}

/** Redeems a refresh token, once. The access token issued with it is revoked too. */
export function redeemRefreshToken(
  instance: Instance,
  app: App,
  form: URLSearchParams,
): OidcSession {
  const { oauth, state, now } = instance;
  const value = form.get("refresh_token") ?? "";
  if (value === "") {
    throw new OAuthError(400, "invalid_request", "refresh_token missing");
  }
  const session = findSession(instance, value);
  if (
    session?.refreshToken !== value ||
    session.clientId !== app.clientId ||
    session.expiresAtMs <= now()
  ) {
    throw new OAuthError(400, "invalid_request", "Errors.OIDCSession.RefreshTokenInvalid");
  }
  oauth.sessions.delete(session);
  state.tokens.delete(session.accessToken);
  return addSession(instance, session);
}

/** The session to which one of these tokens belongs. */
export function findSession({ oauth }: Instance, token: string): OidcSession | undefined {
  for (const session of oauth.sessions) {
    if (session.refreshToken === token || session.accessToken === token) {
      return session;
    }
  }
  return undefined;
}

function addSession(
  instance: Instance,
  {
    userId,
    clientId,
    scopes,
    nonce,
    authenticatedAtMs,
  }: Pick<OidcSession, "userId" | "clientId" | "scopes" | "nonce" | "authenticatedAtMs">,
): OidcSession {
  const { oauth, state, now } = instance;
  if (state.users.get(userId)?.state !== "active") {
    throw new OAuthError(400, "invalid_request", "Errors.User.NotActive");
  }
  const session: OidcSession = {
    userId,
    clientId,
    scopes,
    nonce,
    authenticatedAtMs,
    accessToken: issueAccessToken(instance, userId, scopes),
    refreshToken: scopes.includes("offline_access") ? randomToken() : undefined,
    expiresAtMs: now() + oauth.refreshTokenLifetimeMs,
  };
  oauth.sessions.add(session);
  return session;
}

const audienceScope = "urn:zitadel:iam:org:project:id:zitadel:aud";

/** Issues an access token. Without the audience scope, ZITADEL's own APIs reject it. */
export function issueAccessToken(
  instance: Instance,
  userId: string,
  scopes: readonly string[],
): string {
  return issueToken(instance, {
    userId,
    audience: scopes.includes(audienceScope),
    scopes,
    expiresInMs: instance.oauth.accessTokenLifetimeMs,
  });
}

/** The token response: RFC 6749, section 5.1. By the time it is written, part of a second has passed. */
export async function tokenResponse(
  instance: Instance,
  request: HttpRequest,
  session: Omit<OidcSession, "expiresAtMs">,
): Promise<Record<string, unknown>> {
  const { accessToken, refreshToken, scopes } = session;
  return {
    access_token: accessToken,
    token_type: "Bearer",
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    expires_in: Math.floor((instance.oauth.accessTokenLifetimeMs - 1) / 1000),
    ...(scopes.includes("openid") ? { id_token: await idToken(instance, request, session) } : {}),
  };
}

/**
 * OpenID Connect Core 1.0, section 2. It says nothing of the user but who it is, unless the application asks for
 * more.
 */
async function idToken(
  instance: Instance,
  request: HttpRequest,
  session: Omit<OidcSession, "expiresAtMs">,
): Promise<string> {
  const { oauth, state, now } = instance;
  const { userId, clientId, nonce, authenticatedAtMs, accessToken, scopes } = session;
  const user = state.users.get(userId);
  const asserts = oauth.apps.get(clientId)?.idTokenUserinfoAssertion;
  const { keyId, privateKey } = await oauth.signingKey();
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
    .setIssuer(issuerOf(request))
    .setSubject(userId)
    .setAudience([clientId])
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.ceil(oauth.accessTokenLifetimeMs / 1000))
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
  const { state } = instance;
  const org = state.orgs.get(user.orgId);
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
  const { projection } = instance.state.grants;
  projection.catchUp();
  const grants = projection.search(
    undefined,
    `roles ${JSON.stringify([userId, projectId])}`,
    (grant) => grant.userId === userId && grant.projectId === projectId && grant.state === "active",
  );
  const roles: Record<string, Record<string, string>> = {};
  for (const { orgId, roleKeys } of grants) {
    for (const key of roleKeys) {
      roles[key] = {
        ...roles[key],
        [orgId]: orgDomain(instance, instance.state.orgs.get(orgId)?.name ?? ""),
      };
    }
  }
  return roles;
}
