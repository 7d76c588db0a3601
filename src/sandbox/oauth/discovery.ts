import type { Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { openIdResponse } from "./openid.js";
import { issuerOf } from "./response.js";

const clientAuthMethods = [
  "none",
  "client_secret_basic",
  "client_secret_post",
  "private_key_jwt",
] as const;

/** `/.well-known/openid-configuration`. OpenID Connect Discovery 1.0, section 4. */
export function discoveryRoute(instance: Instance): Route {
  return (request) =>
    request.path === "/.well-known/openid-configuration" && request.method === "GET"
      ? openIdResponse(
          instance,
          request,
          200,
          metadata(issuerOf(request), instance.generation === "v4"),
        )
      : undefined;
}

function metadata(issuer: string, isV4: boolean): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/v2/authorize`,
    token_endpoint: `${issuer}/oauth/v2/token`,
    introspection_endpoint: `${issuer}/oauth/v2/introspect`,
    userinfo_endpoint: `${issuer}/oidc/v1/userinfo`,
    revocation_endpoint: `${issuer}/oauth/v2/revoke`,
    end_session_endpoint: `${issuer}/oidc/v1/end_session`,
    device_authorization_endpoint: `${issuer}/oauth/v2/device_authorization`,
    jwks_uri: `${issuer}/oauth/v2/keys`,
    scopes_supported: ["openid", "profile", "email", "phone", "address", "offline_access"],
    response_types_supported: ["code", "id_token", "id_token token"],
    response_modes_supported: ["query", "fragment", "form_post"],
    grant_types_supported: [
      "authorization_code",
      "implicit",
      "refresh_token",
      "client_credentials",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
      "urn:ietf:params:oauth:grant-type:device_code",
    ],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: isV4 ? signingAlgorithms : ["RS256"],
    request_object_signing_alg_values_supported: ["RS256"],
    token_endpoint_auth_methods_supported: clientAuthMethods,
    token_endpoint_auth_signing_alg_values_supported: ["RS256"],
    revocation_endpoint_auth_methods_supported: clientAuthMethods,
    revocation_endpoint_auth_signing_alg_values_supported: ["RS256"],
    introspection_endpoint_auth_methods_supported: ["client_secret_basic", "private_key_jwt"],
    introspection_endpoint_auth_signing_alg_values_supported: ["RS256"],
    claims_supported: claims,
    code_challenge_methods_supported: ["S256"],
    ui_locales_supported: isV4
      ? locales
      : locales.filter((locale) => !localesSinceV4.includes(locale)),
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    ...(isV4
      ? { backchannel_logout_supported: true, backchannel_logout_session_supported: true }
      : {}),
  };
}

const signingAlgorithms = ["EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];

const claims =
  "sub aud exp iat iss auth_time nonce acr amr c_hash at_hash act scopes client_id azp preferred_username name family_name given_name locale email email_verified phone_number phone_number_verified".split(
    " ",
  );

const localesSinceV4 = ["ar", "ro", "tr", "uk"];

const locales = "ar bg cs de en es fr hu id it ja ko mk nl pl pt ro ru sv tr uk zh".split(" ");
