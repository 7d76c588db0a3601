import { timingSafeEqual } from "node:crypto";
import { type HttpRequest, headerOf } from "../http/http.js";
import type { User } from "../model/entities.js";
import type { Instance } from "../model/instance.js";
import type { App } from "../model/oauth-state.js";
import { OAuthError } from "./response.js";

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
export function verifyServiceUser(
  instance: Instance,
  request: HttpRequest,
  form: URLSearchParams,
): User {
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
