import { timingSafeEqual } from "node:crypto";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { type HttpRequest, type HttpResponse, headerOf } from "../http/http.js";
import type { User } from "../model/entities.js";
import type { Instance } from "../model/instance.js";
import { issuerOf, OAuthError, type OAuthRequest, required, scopesOf } from "./response.js";
import { openSession, redeemCode, redeemRefreshToken, tokenResponse } from "./sessions.js";
import type { App } from "./state.js";

/** `/oauth/v2/token`. RFC 6749, section 3.2. */
export async function respondToTokenRequest(context: OAuthRequest): Promise<HttpResponse> {
  const { instance, request, form } = context;
  const grantType = required(form, "grant_type");
  switch (grantType) {
    case "urn:ietf:params:oauth:grant-type:jwt-bearer":
      return respondToServiceUser(context, await verifyAssertion(context));
    case "client_credentials":
      return respondToServiceUser(context, verifyServiceUser(context));
    case "authorization_code":
      return tokenResponse(context, redeemCode(instance, verifyApp(instance, request, form), form));
    case "refresh_token": {
      const app = verifyApp(instance, request, form);
      return tokenResponse(context, redeemRefreshToken(instance, app, form));
    }
    default:
      throw new OAuthError(400, "unsupported_grant_type", `${grantType} not supported`);
  }
}

async function respondToServiceUser(
  context: OAuthRequest,
  { userId }: User,
): Promise<HttpResponse> {
  const { instance, form } = context;
  const scopes = scopesOf(form);
  if (scopes.length === 0) {
    throw new OAuthError(400, "invalid_request", "The scope of your request is missing.");
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
      ? new OAuthError(400, "invalid_grant", "invalid assertion")
      : new OAuthError(500, "server_error", "Errors.Internal");
  }
  return user;
}

async function readAssertion(
  { oauth, state, now }: Instance,
  issuer: string,
  assertion: string,
): Promise<User | undefined> {
  const key = oauth.serviceUserKeys.get(decodeProtectedHeader(assertion).kid ?? "");
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
  return state.users.get(payload.sub ?? "");
}

/** Client id and secret: RFC 6749, section 2.3.1. */
interface Credentials {
  readonly clientId: string;
  readonly secret: string;
}

/** @throws OAuthError when credentials are missing, or for v4 given twice: in v2.70, the header wins. */
function readCredentials(
  { generation }: Instance,
  request: HttpRequest,
  form: URLSearchParams,
): Credentials {
  const inForm = { clientId: form.get("client_id") ?? "", secret: form.get("client_secret") ?? "" };
  const [, basic] = /^Basic (.*)$/i.exec(headerOf(request, "authorization") ?? "") ?? [];
  if (basic === undefined) {
    if (inForm.clientId === "") {
      throw new OAuthError(
        400,
        "invalid_request",
        "client_id or client_assertion must be provided",
      );
    }
    return inForm;
  }
  if (generation === "v4" && inForm.clientId !== "" && inForm.secret !== "") {
    throw new OAuthError(
      400,
      "invalid_request",
      "client authentication must not use more than one method",
    );
  }
  const pair = Buffer.from(basic, "base64").toString();
  const colon = pair.indexOf(":");
  try {
    return {
      clientId: formDecode(pair.slice(0, colon)),
      secret: formDecode(pair.slice(colon + 1)),
    };
  } catch {
    throw new OAuthError(400, "invalid_client", "invalid basic auth header");
  }
}

/** The service user that a client id and secret belong to. */
function verifyServiceUser({ instance, request, form }: OAuthRequest): User {
  const { oauth, state } = instance;
  const { clientId, secret } = readCredentials(instance, request, form);
  const known = oauth.clientSecrets.get(clientId);
  const user = state.users.get(known?.userId ?? "");
  if (known === undefined || user === undefined) {
    throw new OAuthError(400, "invalid_client", "client not found");
  }
  if (!sameText(known.secret, secret)) {
    throw new OAuthError(400, "invalid_request", "Errors.User.Machine.Secret.Invalid");
  }
  return user;
}

/** The app that a client id belongs to. It has no secret. */
export function verifyApp(instance: Instance, request: HttpRequest, form: URLSearchParams): App {
  const app = instance.oauth.apps.get(readCredentials(instance, request, form).clientId);
  if (app === undefined) {
    throw new OAuthError(400, "invalid_client", "client not found");
  }
  return app;
}

/** @throws URIError */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
