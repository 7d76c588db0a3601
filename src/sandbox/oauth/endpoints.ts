import { exportJWK, jwtVerify } from "jose";
import { type HttpResponse, plainTextError, type Route } from "../http/http.js";
import { RpcError } from "../model/errors.js";
import { findToken, type Instance } from "../model/instance.js";
import { checkInstance } from "../model/permissions.js";
import { authorize, login, signedOutPage } from "./authorize.js";
import {
  issuerOf,
  OAuthError,
  type OAuthRequest,
  openIdResponse,
  readForm,
  redirect,
  required,
} from "./response.js";
import { findSession, userClaims } from "./sessions.js";
import { respondToTokenRequest, verifyApp } from "./token.js";

const signedOutPath = "/ui/login/logout/done";

type Endpoint = (request: OAuthRequest) => HttpResponse | Promise<HttpResponse>;

const endpoints: Readonly<Record<string, Endpoint>> = {
  "/.well-known/openid-configuration": discovery,
  "/oauth/v2/keys": keys,
  "/oauth/v2/authorize": authorize,
  "/oauth/v2/token": respondToTokenRequest,
  "/oauth/v2/revoke": revoke,
  "/oidc/v1/userinfo": userinfo,
  "/oidc/v1/end_session": endSession,
  "/ui/login": login,
  [signedOutPath]: signedOutPage,
};

/** Whether a path belongs to the OAuth and OpenID Connect endpoints. */
export function isOpenIdPath(path: string): boolean {
  return /^\/(oauth|oidc|\.well-known)\//.test(path);
}

/** The OAuth and OpenID Connect endpoints, and the pages of the login. */
export function openIdRoute(instance: Instance): Route {
  return async (request) => {
    const { path, method } = request;
    const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    try {
      if (isOpenIdPath(path)) {
        checkInstance(instance, request);
      }
      return method === "GET" || method === "POST"
        ? await endpoint?.({ instance, request, form: await readForm(request) })
        : undefined;
    } catch (reason) {
      if (reason instanceof RpcError) {
        return plainTextError(404, reason.message);
      }
      if (reason instanceof OAuthError) {
        const { error, message, status } = reason;
        return openIdResponse({ instance, request }, { error, error_description: message }, status);
      }
      throw reason;
    }
  };
}

/** The keys for verifying ID tokens. RFC 7517. */
async function keys(context: OAuthRequest): Promise<HttpResponse> {
  const { keyId, publicKey } = await context.instance.signingKey();
  const key = { use: "sig", kid: keyId, alg: "RS256", ...(await exportJWK(publicKey)) };
  return openIdResponse(context, { keys: [key] });
}

/** RFC 7009. Revoking a refresh token also revokes its access token. */
function revoke(context: OAuthRequest): HttpResponse {
  const { tokens, sessions } = context.instance;
  const app = verifyApp(context);
  const token = required(context.form, "token");
  const session = findSession(context.instance, token);
  if (session?.signIn.clientId === app.clientId) {
    tokens.delete(session.accessToken);
    if (session.refreshToken === token) {
      sessions.delete(session);
    }
  }
  return { ...openIdResponse(context, {}), body: "" };
}

/** https://openid.net/specs/openid-connect-core-1_0.html#UserInfo */
function userinfo(context: OAuthRequest): HttpResponse {
  const { instance, request } = context;
  const [, value] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (value === undefined) {
    throw new OAuthError("invalid_request", "access token missing", 401);
  }
  const found = findToken(instance, value);
  if (found === undefined) {
    throw new OAuthError("access_denied", "access token invalid", 401);
  }
  const { user, token } = found;
  return openIdResponse(context, {
    sub: user.userId,
    ...userClaims(instance, user, token.scopes),
  });
}

/**
 * `/oidc/v1/end_session`. OpenID Connect RP-Initiated Logout 1.0, section 2. Access tokens end; refresh tokens
 * stay valid until they are revoked.
 */
async function endSession({ instance, request, form }: OAuthRequest): Promise<HttpResponse> {
  const { apps, sessions, tokens } = instance;
  const hint = form.get("id_token_hint") ?? "";
  const claims = hint === "" ? undefined : await readHint(instance, issuerOf(request), hint);
  const named = form.get("client_id") || undefined;
  if (claims !== undefined && named !== undefined && named !== claims.azp) {
    throw new OAuthError("invalid_request", "client_id does not match azp of id_token_hint");
  }
  const app = apps.get(claims?.azp ?? named ?? "");
  const after = form.get("post_logout_redirect_uri") || undefined;
  if (app !== undefined && after !== undefined && !app.postLogoutRedirectUris?.includes(after)) {
    throw new OAuthError("invalid_request", "post_logout_redirect_uri invalid");
  }
  for (const session of sessions) {
    if (session.signIn.userId === claims?.sub) {
      tokens.delete(session.accessToken);
    }
  }
  const target = new URL((app && after) ?? signedOutPath, issuerOf(request));
  const returned = form.get("state");
  if (returned) {
    target.searchParams.set("state", returned);
  }
  return redirect(target.href);
}

/** An expired hint is accepted: it identifies the user who signs out, and grants nothing. */
async function readHint({ signingKey }: Instance, issuer: string, hint: string) {
  try {
    const { publicKey } = await signingKey();
    const options = { issuer, currentDate: new Date(0) };
    return (await jwtVerify<{ azp?: string }>(hint, publicKey, options)).payload;
  } catch {
    throw new OAuthError("invalid_request", "id_token_hint invalid");
  }
}

const words = (text: string) => text.split(" ");

/** OpenID Connect Discovery 1.0, section 4. */
function discovery(context: OAuthRequest): HttpResponse {
  const issuer = issuerOf(context.request);
  const isV4 = context.instance.generation === "v4";
  const clientAuthMethods = words("none client_secret_basic client_secret_post private_key_jwt");
  const algorithms = ["RS256"];
  return openIdResponse(context, {
    issuer,
    authorization_endpoint: `${issuer}/oauth/v2/authorize`,
    token_endpoint: `${issuer}/oauth/v2/token`,
    introspection_endpoint: `${issuer}/oauth/v2/introspect`,
    userinfo_endpoint: `${issuer}/oidc/v1/userinfo`,
    revocation_endpoint: `${issuer}/oauth/v2/revoke`,
    end_session_endpoint: `${issuer}/oidc/v1/end_session`,
    device_authorization_endpoint: `${issuer}/oauth/v2/device_authorization`,
    jwks_uri: `${issuer}/oauth/v2/keys`,
    scopes_supported: words("openid profile email phone address offline_access"),
    response_types_supported: ["code", "id_token", "id_token token"],
    response_modes_supported: words("query fragment form_post"),
    grant_types_supported: words(
      "authorization_code implicit refresh_token client_credentials urn:ietf:params:oauth:grant-type:jwt-bearer urn:ietf:params:oauth:grant-type:device_code",
    ),
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: isV4
      ? words("EdDSA RS256 RS384 RS512 ES256 ES384 ES512")
      : algorithms,
    request_object_signing_alg_values_supported: algorithms,
    token_endpoint_auth_methods_supported: clientAuthMethods,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: clientAuthMethods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: words("client_secret_basic private_key_jwt"),
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    claims_supported: words(
      "sub aud exp iat iss auth_time nonce acr amr c_hash at_hash act scopes client_id azp preferred_username name family_name given_name locale email email_verified phone_number phone_number_verified",
    ),
    code_challenge_methods_supported: ["S256"],
    ui_locales_supported: words(
      isV4
        ? "ar bg cs de en es fr hu id it ja ko mk nl pl pt ro ru sv tr uk zh"
        : "bg cs de en es fr hu id it ja ko mk nl pl pt ru sv zh",
    ),
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    ...(isV4
      ? { backchannel_logout_supported: true, backchannel_logout_session_supported: true }
      : {}),
  });
}
