import { createHash } from "node:crypto";
import type { Instance } from "../model/instance.js";
import type { App, OidcSession } from "../model/oauth-state.js";
import { randomToken } from "../model/tokens.js";
import { OAuthError } from "./response.js";
import { issueAccessToken } from "./tokens.js";

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

/** Ends a session with all its tokens. */
export function endSession({ oauth, state }: Instance, session: OidcSession): void {
  oauth.sessions.delete(session);
  state.tokens.delete(session.accessToken);
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
  const { oauth, now } = instance;
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
