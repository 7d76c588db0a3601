import type { HttpResponse, Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import type { AuthRequest } from "../model/oauth-state.js";
import { randomToken } from "../model/tokens.js";
import { MadeUpUser } from "../model/users.js";
import { loginPage } from "./pages.js";
import { OAuthError, readForm, redirect, responding } from "./response.js";

/** `/oauth/v2/authorize`. OpenID Connect Core 1.0, section 3.1.2. It redirects to the login page. */
export function authorizeRoute(instance: Instance): Route {
  return (request) =>
    request.path === "/oauth/v2/authorize" && ["GET", "POST"].includes(request.method)
      ? responding(instance, request, async () => authorize(instance, await readForm(request)))
      : undefined;
}

/** `/ui/login`: where a user clicks "sign in". */
export function loginRoute(instance: Instance): Route {
  return async (request) => {
    if (request.path !== "/ui/login") {
      return undefined;
    }
    const form = await readForm(request);
    const found = instance.oauth.authRequests.get(form.get("authRequestID") ?? "");
    if (found === undefined) {
      return { status: 404, headers: plainText, body: "Errors.AuthRequest.NotFound\n" };
    }
    return request.method === "POST"
      ? decide(instance, found, form)
      : loginPage(found.id, instance.oauth.apps.get(found.clientId), people(instance));
  };
}

const plainText = { "content-type": "text/plain; charset=utf-8" };

function authorize(instance: Instance, form: URLSearchParams): HttpResponse {
  const { oauth, state } = instance;
  const text = (name: string) => form.get(name) || undefined;
  const app = oauth.apps.get(text("client_id") ?? "");
  if (app === undefined) {
    throw new OAuthError(400, "invalid_request", "Errors.App.NotFound");
  }
  const redirectUri = text("redirect_uri") ?? "";
  // Before this is validated, nothing is redirected.
  if (!app.redirectUris.includes(redirectUri)) {
    throw new OAuthError(
      400,
      "invalid_request",
      "The requested redirect_uri is missing in the client configuration. If you have any questions, you may contact the administrator of the application.",
    );
  }
  const request: AuthRequest = {
    id: state.nextId(),
    clientId: app.clientId,
    redirectUri,
    state: text("state") ?? "",
    nonce: text("nonce"),
    codeChallenge: text("code_challenge_method") === "S256" ? text("code_challenge") : undefined,
    scopes: (text("scope") ?? "").split(" ").filter((scope) => scope !== ""),
  };
  if (text("response_type") !== "code") {
    return redirectBack(request, {
      error: "unauthorized_client",
      error_description:
        "The requested response type is missing in the client configuration. If you have any questions, you may contact the administrator of the application.",
    });
  }
  if (text("prompt") === "none") {
    return redirectBack(request, { error: "login_required" });
  }
  oauth.authRequests.set(request.id, request);
  return redirect(`/ui/login?authRequestID=${request.id}`);
}

function decide(instance: Instance, request: AuthRequest, form: URLSearchParams): HttpResponse {
  const { oauth, state, now } = instance;
  const user = state.users.get(form.get("userId") ?? "");
  oauth.authRequests.delete(request.id);
  if (form.get("decision") !== "sign-in" || user === undefined) {
    return redirectBack(request, {
      error: "access_denied",
      error_description: "The authorization request was denied.",
    });
  }
  const code = randomToken();
  oauth.codes.set(code, { request, userId: user.userId, authenticatedAtMs: now() });
  return redirectBack(request, { code });
}

function redirectBack(request: AuthRequest, parameters: Record<string, string>): HttpResponse {
  const url = new URL(request.redirectUri);
  for (const [name, value] of Object.entries({ ...parameters, state: request.state })) {
    url.searchParams.set(name, value);
  }
  return redirect(url.href);
}

/** A page with more than this is slow to load and useless. */
const mostPeople = 200;

function people({ state }: Instance): { userId: string; name: string }[] {
  const listed: { userId: string; name: string }[] = [];
  for (const user of state.users.values()) {
    if (listed.length === mostPeople) {
      break;
    }
    if (!(user instanceof MadeUpUser)) {
      listed.push({ userId: user.userId, name: user.displayName });
    }
  }
  return listed;
}
