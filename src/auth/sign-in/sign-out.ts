import { retryingFor } from "../tokens/retrying.js";
import { patienceMs } from "../tokens/waiting.js";
import type { SignInContext } from "./context.js";
import { revokeQuietly } from "./revoke.js";
import type { Session } from "./session.js";

/**
 * Ends a session at the server that is already forgotten here: OpenID Connect RP-Initiated Logout 1.0,
 * section 2.
 */
export async function endAtServer(
  context: SignInContext,
  session: Session | undefined,
): Promise<void> {
  const { options, channel, discover } = context;
  const server = await retryingFor(channel.environment, patienceMs, discover);
  if (session !== undefined) {
    // The session ends in a moment anyway; the tokens may not.
    await revokeQuietly(context, session);
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
