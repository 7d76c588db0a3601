import { randomBytes } from "node:crypto";
import { actualCorsHeaders, apiCors } from "./cors.js";
import { type HttpRequest, type HttpResponse, headerOf, type Route } from "./http.js";
import type { Instance } from "./instance.js";
import type { AccessToken, User } from "./state.js";

/** `/oidc/v1/userinfo`. https://openid.net/specs/openid-connect-core-1_0.html#UserInfo */
export function userinfoRoute(instance: Instance): Route {
  return (request) => {
    if (request.path !== "/oidc/v1/userinfo" || !["GET", "POST"].includes(request.method)) {
      return undefined;
    }
    const [, value] = /^Bearer (.+)$/.exec(headerOf(request, "authorization") ?? "") ?? [];
    if (value === undefined) {
      return oidcError(instance, request, 401, "invalid_request", "access token missing");
    }
    const token = instance.state.tokens.get(value);
    const user = token && instance.state.users.get(token.userId);
    if (token === undefined || token.expiresAtMs <= instance.now() || user === undefined) {
      return oidcError(instance, request, 401, "access_denied", "access token invalid");
    }
    return oidcAnswer(instance, request, 200, claims(instance, user, token));
  };
}

function claims(instance: Instance, user: User, token: AccessToken): Record<string, unknown> {
  const org = instance.state.orgs.get(user.orgId);
  return {
    sub: user.userId,
    ...(token.scopes.includes("profile") && user.name !== undefined
      ? { name: user.name, preferred_username: user.name }
      : {}),
    ...(token.scopes.includes("urn:zitadel:iam:user:resourceowner") && org !== undefined
      ? {
          "urn:zitadel:iam:user:resourceowner:id": org.orgId,
          "urn:zitadel:iam:user:resourceowner:name": org.name,
        }
      : {}),
  };
}

/** A JSON answer of the OpenID Connect endpoints. */
export function oidcAnswer(
  instance: Instance,
  request: HttpRequest,
  status: number,
  value: Readonly<Record<string, unknown>>,
): HttpResponse {
  const agent = randomBytes(96).toString("base64url");
  return {
    status,
    headers: {
      ...actualCorsHeaders(request, apiCors),
      "cache-control": "no-store",
      "content-type": "application/json",
      // An hour ago: the browser is to keep nothing, whatever its clock says.
      expires: new Date(instance.now() - 3_600_000).toUTCString(),
      pragma: "no-cache",
      "set-cookie": [
        `zitadel.useragent=${agent}; Path=/; Domain=${instance.hosts[0]}; Max-Age=31536000; HttpOnly; SameSite=Lax`,
      ],
      vary: "Origin, Cookie",
      "x-request-id": instance.nextRequestId(),
    },
    body: `${JSON.stringify(value)}\n`,
  };
}

/** An error of the OAuth endpoints. RFC 6749, section 5.2. */
export function oidcError(
  instance: Instance,
  request: HttpRequest,
  status: number,
  error: string,
  description: string,
): HttpResponse {
  return oidcAnswer(instance, request, status, { error, error_description: description });
}
