import { decodeProtectedHeader, jwtVerify } from "jose";
import type { HttpResponse } from "../http/http.js";
import type { User } from "../model/entities.js";
import type { App, Instance } from "../model/instance.js";
import { issuerOf, OAuthError, type OAuthRequest, required, scopesOf } from "./response.js";
import { openSession, redeemCode, redeemRefreshToken, tokenResponse } from "./sessions.js";

/** `/oauth/v2/token`. RFC 6749, section 3.2. */
export async function respondToTokenRequest(context: OAuthRequest): Promise<HttpResponse> {
  const { instance, form } = context;
  const grantType = required(form, "grant_type");
  switch (grantType) {
    case "urn:ietf:params:oauth:grant-type:jwt-bearer":
      return respondToServiceUser(context, await verifyAssertion(context));
    case "client_credentials":
      return respondToServiceUser(context, verifyServiceUser(context));
    case "authorization_code":
      return tokenResponse(context, redeemCode(instance, verifyApp(context), form));
    case "refresh_token":
      return tokenResponse(context, redeemRefreshToken(instance, verifyApp(context), form));
    default:
      throw new OAuthError("unsupported_grant_type", `${grantType} not supported`);
  }
}

async function respondToServiceUser(
  context: OAuthRequest,
  { userId }: User,
): Promise<HttpResponse> {
  const { instance, form } = context;
  const scopes = scopesOf(form);
  if (scopes.length === 0) {
    throw new OAuthError("invalid_request", "The scope of your request is missing.");
  }
  const authenticatedAtMs = instance.now();
  const signIn = { userId, clientId: userId, scopes, nonce: undefined, authenticatedAtMs };
  return tokenResponse(context, openSession(instance, signIn, false));
}

/**
 * Returns the subject of an assertion: RFC 7523, section 3, with ZITADEL's limits. It may have been issued up
 * to an hour ago, and up to a second in the future.
 *
 * @throws OAuthError the same one for every defect; v2.70 calls it an error of the server.
 */
async function verifyAssertion({ instance, request, form }: OAuthRequest): Promise<User> {
  const assertion = required(form, "assertion");
  const user = await readAssertion(instance, issuerOf(request), assertion).catch(() => undefined);
  if (user === undefined) {
    throw instance.generation === "v4"
      ? new OAuthError("invalid_grant", "invalid assertion")
      : new OAuthError("server_error", "Errors.Internal", 500);
  }
  return user;
}

async function readAssertion(
  { serviceUserKeys, users, now }: Instance,
  issuer: string,
  assertion: string,
): Promise<User | undefined> {
  const key = serviceUserKeys.get(decodeProtectedHeader(assertion).kid ?? "");
  if (key === undefined || key.expiresAtMs <= now()) {
    return undefined;
  }
  const { payload } = await jwtVerify(assertion, key.publicKey, {
    algorithms: ["RS256"],
    audience: issuer,
    issuer: key.userId,
    subject: key.userId,
    maxTokenAge: 3600,
    clockTolerance: 1,
    requiredClaims: ["exp"],
    currentDate: new Date(now()),
  });
  return users.get(payload.sub ?? "");
}

/**
 * Client id and secret: RFC 6749, section 2.3.1.
 *
 * @throws OAuthError when credentials are missing, or for v4 given twice: in v2.70, the header wins.
 */
function readCredentials({ instance, request, form }: OAuthRequest) {
  const inForm = { clientId: form.get("client_id") ?? "", secret: form.get("client_secret") ?? "" };
  const [, basic] = /^Basic (.*)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (basic === undefined) {
    if (inForm.clientId === "") {
      throw new OAuthError("invalid_request", "client_id or client_assertion must be provided");
    }
    return inForm;
  }
  if (instance.generation === "v4" && inForm.clientId !== "" && inForm.secret !== "") {
    const description = "client authentication must not use more than one method";
    throw new OAuthError("invalid_request", description);
  }
  // Both halves are encoded as in a form.
  const [clientId = "", ...rest] = Buffer.from(basic, "base64").toString().split(":");
  const decode = (text: string) => decodeURIComponent(text.replaceAll("+", " "));
  try {
    return { clientId: decode(clientId), secret: decode(rest.join(":")) };
  } catch {
    throw new OAuthError("invalid_client", "invalid basic auth header");
  }
}

/** The service user that a client id and secret belong to. */
function verifyServiceUser(context: OAuthRequest): User {
  const { clientSecrets, users } = context.instance;
  const { clientId, secret } = readCredentials(context);
  const known = clientSecrets.get(clientId);
  const user = users.get(known?.userId ?? "");
  if (known === undefined || user === undefined) {
    throw new OAuthError("invalid_client", "client not found");
  }
  if (known.secret !== secret) {
    throw new OAuthError("invalid_request", "Errors.User.Machine.Secret.Invalid");
  }
  return user;
}

/** The app that a client id belongs to. It has no secret. */
export function verifyApp(context: OAuthRequest): App {
  const app = context.instance.apps.get(readCredentials(context).clientId);
  if (app === undefined) {
    throw new OAuthError("invalid_client", "client not found");
  }
  return app;
}
