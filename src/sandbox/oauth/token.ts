import type { HttpRequest, Route } from "../http/http.js";
import type { User } from "../model/entities.js";
import type { Instance } from "../model/instance.js";
import { verifyApp, verifyServiceUser } from "./clients.js";
import { verifyAssertion } from "./jwt-profile.js";
import { openIdResponse } from "./openid.js";
import { OAuthError, readForm, responding } from "./response.js";
import { redeemCode, redeemRefreshToken } from "./sessions.js";
import { issueAccessToken, tokenResponse } from "./tokens.js";

/** `/oauth/v2/token`. RFC 6749, section 3.2. */
export function tokenRoute(instance: Instance): Route {
  return (request) =>
    request.path === "/oauth/v2/token" && ["GET", "POST"].includes(request.method)
      ? responding(instance, request, async () => {
          const form = await readForm(request);
          return openIdResponse(
            instance,
            request,
            200,
            await respondToGrant(instance, request, form),
          );
        })
      : undefined;
}

async function respondToGrant(instance: Instance, request: HttpRequest, form: URLSearchParams) {
  const grantType = form.get("grant_type") ?? "";
  switch (grantType) {
    case "urn:ietf:params:oauth:grant-type:jwt-bearer": {
      const user = await verifyAssertion(instance, request, form);
      return respondToServiceUser(instance, request, form, user);
    }
    case "client_credentials": {
      const user = verifyServiceUser(instance, request, form);
      return respondToServiceUser(instance, request, form, user);
    }
    case "authorization_code": {
      const app = verifyApp(instance, request, form);
      return tokenResponse(instance, request, redeemCode(instance, app, form));
    }
    case "refresh_token": {
      const app = verifyApp(instance, request, form);
      return tokenResponse(instance, request, redeemRefreshToken(instance, app, form));
    }
    case "":
      throw new OAuthError(400, "invalid_request", "grant_type missing");
    default:
      throw new OAuthError(400, "unsupported_grant_type", `${grantType} not supported`);
  }
}

function respondToServiceUser(
  instance: Instance,
  request: HttpRequest,
  form: URLSearchParams,
  { userId }: User,
) {
  const scopes = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
  if (scopes.length === 0) {
    throw new OAuthError(
      400,
      "invalid_request",
      "The scope of your request is missing. Please ensure some scopes are requested. If you have any questions, you may contact the administrator of the application.",
    );
  }
  return tokenResponse(instance, request, {
    userId,
    clientId: userId,
    scopes,
    nonce: undefined,
    authenticatedAtMs: instance.now(),
    accessToken: issueAccessToken(instance, userId, scopes),
    refreshToken: undefined,
  });
}
