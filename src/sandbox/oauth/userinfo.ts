import { headerOf, type Route } from "../http/http.js";
import type { AccessToken, User } from "../model/entities.js";
import type { Instance } from "../model/instance.js";
import { openIdError, openIdResponse } from "./openid.js";

/** `/oidc/v1/userinfo`. https://openid.net/specs/openid-connect-core-1_0.html#UserInfo */
export function userinfoRoute(instance: Instance): Route {
  return (request) => {
    if (request.path !== "/oidc/v1/userinfo" || !["GET", "POST"].includes(request.method)) {
      return undefined;
    }
    const [, value] = /^Bearer (.+)$/i.exec(headerOf(request, "authorization") ?? "") ?? [];
    if (value === undefined) {
      return openIdError(instance, request, 401, "invalid_request", "access token missing");
    }
    const token = instance.state.tokens.get(value);
    const user = token && instance.state.users.get(token.userId);
    if (token === undefined || token.expiresAtMs <= instance.now() || user === undefined) {
      return openIdError(instance, request, 401, "access_denied", "access token invalid");
    }
    return openIdResponse(instance, request, 200, claims(instance, user, token));
  };
}

function claims(instance: Instance, user: User, token: AccessToken): Record<string, unknown> {
  const org = instance.state.orgs.get(user.orgId);
  return {
    sub: user.userId,
    ...(token.scopes.includes("profile")
      ? { name: user.displayName, preferred_username: user.loginName }
      : {}),
    ...(token.scopes.includes("urn:zitadel:iam:user:resourceowner") && org !== undefined
      ? {
          "urn:zitadel:iam:user:resourceowner:id": org.orgId,
          "urn:zitadel:iam:user:resourceowner:name": org.name,
        }
      : {}),
  };
}
