import * as oauth from "oauth4webapi";
import { type Exchange, exchange } from "../endpoint/exchange.js";
import { retryingFor } from "../tokens/retrying.js";
import { patienceMs } from "../tokens/waiting.js";
import type { SignInContext } from "./context.js";
import type { Session } from "./session.js";

/** How long leaving waits for the tokens to be revoked. */
const revocationMs = 3_000;

/** Ends the session here, then at the server: OpenID Connect RP-Initiated Logout 1.0, section 2. */
export async function signOut(context: SignInContext): Promise<void> {
  const { options, channel, discover, store, tabs } = context;
  const session = store.read();
  store.clear();
  if (session !== undefined) {
    tabs.end(session);
  }
  const server = await retryingFor(channel.environment, patienceMs, discover);
  if (session !== undefined && server.revocation_endpoint !== undefined) {
    // The session ends in a moment anyway; the tokens may not.
    await revoke(context, server, session).catch(() => {});
  }
  const after = options.postLogoutRedirectUri;
  if (server.end_session_endpoint === undefined) {
    location.assign(after ?? location.href);
    return;
  }
  const url = new URL(server.end_session_endpoint);
  url.searchParams.set("client_id", options.clientId);
  if (session?.idToken !== undefined) {
    url.searchParams.set("id_token_hint", session.idToken);
  }
  if (after !== undefined) {
    url.searchParams.set("post_logout_redirect_uri", after);
  }
  location.assign(url);
}

/** RFC 7009. With its refresh token, ZITADEL revokes the access token too. */
async function revoke(
  { channel, client }: SignInContext,
  server: oauth.AuthorizationServer,
  session: Session,
): Promise<void> {
  const what: Exchange = {
    step: "revocation",
    endpoint: String(server.revocation_endpoint),
    causes: {},
  };
  await retryingFor(channel.environment, revocationMs, (signal) =>
    exchange(channel, what, signal, (httpOptions) =>
      oauth.revocationRequest(
        server,
        client,
        oauth.None(),
        session.refreshToken ?? session.token,
        httpOptions,
      ),
    ),
  );
}
