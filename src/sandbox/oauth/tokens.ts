import { createHash } from "node:crypto";
import { SignJWT } from "jose";
import type { HttpRequest } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import type { OidcSession } from "../model/oauth-state.js";
import { issueToken } from "../model/tokens.js";
import { issuerOf } from "./response.js";

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

/** OpenID Connect Core 1.0, section 2. */
async function idToken(
  { oauth, now }: Instance,
  request: HttpRequest,
  { userId, clientId, nonce, authenticatedAtMs, accessToken }: Omit<OidcSession, "expiresAtMs">,
): Promise<string> {
  const { keyId, privateKey } = await oauth.signingKey();
  const nowSeconds = Math.floor(now() / 1000);
  const hash = createHash("sha256").update(accessToken).digest();
  return new SignJWT({
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
