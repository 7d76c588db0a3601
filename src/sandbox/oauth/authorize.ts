import { type HttpResponse, plainTextError } from "../http/http.js";
import { type AuthRequest, type Instance, randomToken } from "../model/instance.js";
import { OAuthError, type OAuthRequest, redirect, scopesOf } from "./response.js";

/**
 * `/oauth/v2/authorize`. OpenID Connect Core 1.0, section 3.1.2. It redirects to the login page.
 *
 * @throws OAuthError for a request that must not be redirected back.
 */
export function authorize({ instance, form }: OAuthRequest): HttpResponse {
  const text = (name: string) => form.get(name) || undefined;
  const app = instance.apps.get(text("client_id") ?? "");
  if (app === undefined) {
    throw new OAuthError("invalid_request", "Errors.App.NotFound");
  }
  const redirectUri = text("redirect_uri") ?? "";
  // Before this is validated, nothing is redirected.
  if (!app.redirectUris.includes(redirectUri)) {
    const description = "The requested redirect_uri is missing in the client configuration.";
    throw new OAuthError("invalid_request", description);
  }
  const request: AuthRequest = {
    id: instance.nextId(),
    clientId: app.clientId,
    redirectUri,
    state: text("state") ?? "",
    nonce: text("nonce"),
    codeChallenge: text("code_challenge_method") === "S256" ? text("code_challenge") : undefined,
    scopes: scopesOf(form),
  };
  if (text("response_type") !== "code") {
    return redirectBack(request, {
      error: "unauthorized_client",
      error_description: "The requested response type is missing in the client configuration.",
    });
  }
  if (text("prompt") === "none") {
    return redirectBack(request, { error: "login_required" });
  }
  instance.authRequests.set(request.id, request);
  return redirect(`/ui/login?authRequestID=${request.id}`);
}

/** `/ui/login`: where a user clicks "sign in". */
export function login({ instance, request, form }: OAuthRequest): HttpResponse {
  const found = instance.authRequests.get(form.get("authRequestID") ?? "");
  if (found === undefined) {
    return plainTextError(404, "Errors.AuthRequest.NotFound");
  }
  return request.method === "POST" ? decide(instance, found, form) : loginPage(instance, found);
}

function decide(instance: Instance, request: AuthRequest, form: URLSearchParams): HttpResponse {
  const { users, authRequests, codes, now } = instance;
  const user = users.get(form.get("userId") ?? "");
  authRequests.delete(request.id);
  if (form.get("decision") !== "sign-in" || user === undefined) {
    return redirectBack(request, {
      error: "access_denied",
      error_description: "The authorization request was denied.",
    });
  }
  const code = randomToken();
  const { clientId, scopes, nonce } = request;
  const signIn = { userId: user.userId, clientId, scopes, nonce, authenticatedAtMs: now() };
  codes.set(code, { request, signIn });
  return redirectBack(request, { code });
}

function redirectBack(request: AuthRequest, parameters: Record<string, string>): HttpResponse {
  const url = new URL(request.redirectUri);
  for (const [name, value] of Object.entries({ ...parameters, state: request.state })) {
    url.searchParams.set(name, value);
  }
  return redirect(url.href);
}

/** A small login page: choose a user, and click the button. More people would be slow to load, and useless. */
function loginPage({ users }: Instance, { id, clientId }: AuthRequest): HttpResponse {
  const options = [...users.values()]
    .filter(({ isMadeUp }) => !isMadeUp)
    .slice(0, 200)
    .map(({ userId, displayName }) => {
      return `<option value="${escapeHtml(userId)}">${escapeHtml(displayName)}</option>`;
    });
  return page(
    "Sign in",
    `<form method="post" action="/ui/login">
<p>Application ${escapeHtml(clientId)}</p>
<input type="hidden" name="authRequestID" value="${escapeHtml(id)}">
<p><label>Sign in as <select name="userId">${options.join("")}</select></label></p>
<button name="decision" value="sign-in">Sign in</button>
<button name="decision" value="cancel">Cancel</button>
</form>`,
  );
}

export function signedOutPage(): HttpResponse {
  return page("Signed out", "<p>You have signed out.</p>");
}

function page(title: string, body: string): HttpResponse {
  return {
    status: 200,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} – ZITADEL sandbox</title>
<h1>${title}</h1>
${body}
</html>
`,
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
