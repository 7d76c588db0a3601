import type { Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { verifyApp } from "./clients.js";
import { openIdResponse } from "./openid.js";
import { OAuthError, readForm, responding } from "./response.js";
import { endSession, findSession } from "./sessions.js";

/** `/oauth/v2/revoke`. RFC 7009. Revoking a refresh token also revokes its access token. */
export function revokeRoute(instance: Instance): Route {
  return (request) =>
    request.path === "/oauth/v2/revoke" && request.method === "POST"
      ? responding(instance, request, async () => {
          const form = await readForm(request);
          const app = verifyApp(instance, request, form);
          const token = form.get("token") ?? "";
          if (token === "") {
            throw new OAuthError(400, "invalid_request", "token missing");
          }
          const session = findSession(instance, token);
          if (session !== undefined && session.clientId === app.clientId) {
            if (session.refreshToken === token) {
              endSession(instance, session);
            } else {
              instance.state.tokens.delete(token);
            }
          }
          return { ...openIdResponse(instance, request, 200, {}), body: "" };
        })
      : undefined;
}
