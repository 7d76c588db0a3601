import { decodeJwt, jwtVerify } from "jose";
import type { HttpRequest, HttpResponse, Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { signedOutPage } from "./pages.js";
import { issuerOf, OAuthError, readForm, redirect, responding } from "./response.js";
import { endSession } from "./sessions.js";

const signedOutPath = "/ui/login/logout/done";

/** `/oidc/v1/end_session`. OpenID Connect RP-Initiated Logout 1.0, section 2. */
export function endSessionRoute(instance: Instance): Route {
  return (request) =>
    request.path === "/oidc/v1/end_session" && ["GET", "POST"].includes(request.method)
      ? responding(instance, request, async () =>
          signOut(instance, request, await readForm(request)),
        )
      : undefined;
}

/** Where users are redirected whose application names no page for it. */
export const signedOutRoute: Route = (request) =>
  request.path === signedOutPath && request.method === "GET" ? signedOutPage() : undefined;

async function signOut(
  instance: Instance,
  request: HttpRequest,
  form: URLSearchParams,
): Promise<HttpResponse> {
  const { oauth } = instance;
  const hint = form.get("id_token_hint") ?? "";
  const claims = hint === "" ? undefined : await readHint(instance, request, hint);
  const named = form.get("client_id") || undefined;
  if (claims !== undefined && named !== undefined && named !== claims.clientId) {
    throw new OAuthError(400, "invalid_request", "client_id does not match azp of id_token_hint");
  }
  const app = oauth.apps.get(claims?.clientId ?? named ?? "");
  const after = form.get("post_logout_redirect_uri") || undefined;
  if (app !== undefined && after !== undefined && !app.postLogoutRedirectUris.includes(after)) {
    throw new OAuthError(400, "invalid_request", "post_logout_redirect_uri invalid");
  }
  for (const session of oauth.sessions) {
    if (session.userId === claims?.userId) {
      endSession(instance, session);
    }
  }
  const target = new URL(
    app === undefined ? signedOutPath : (after ?? signedOutPath),
    issuerOf(request),
  );
  const state = form.get("state");
  if (state) {
    target.searchParams.set("state", state);
  }
  return redirect(target.href);
}

/** An expired hint is accepted: it identifies the user who signs out, and grants nothing. */
async function readHint(
  { oauth }: Instance,
  request: HttpRequest,
  hint: string,
): Promise<{ userId: string; clientId: string }> {
  try {
    const { publicKey } = await oauth.signingKey();
    await jwtVerify(hint, publicKey, { issuer: issuerOf(request), currentDate: new Date(0) });
    const { sub = "", azp } = decodeJwt<{ azp?: string }>(hint);
    return { userId: sub, clientId: azp ?? "" };
  } catch {
    throw new OAuthError(400, "invalid_request", "id_token_hint invalid");
  }
}
