import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import { keepSecret } from "../endpoint/channel.js";
import { type Exchange, exchange } from "../endpoint/exchange.js";
import { interpret, unexpectedResponse } from "../endpoint/unexpected-response.js";
import { bearerToken } from "../tokens/bearer-token.js";
import { clientOf } from "./client.js";
import type { SignInContext } from "./context.js";
import { deadRefreshTokenErrors } from "./dead-refresh-token.js";
import type { Session } from "./session.js";

// What talks to the authorization server: a page loads this file when it is needed (`loaded.ts`).
export { createDiscover } from "../endpoint/discovery.js";
export { handleResponse } from "./callback.js";
export { revokeQuietly } from "./revoke.js";
export { endAtServer } from "./sign-out.js";
export { startSignIn } from "./start.js";

/** Redeems the refresh token: RFC 6749, section 6, and OpenID Connect Core 1.0, section 12. */
export async function refresh(
  context: SignInContext,
  server: oauth.AuthorizationServer,
  session: Session & { refreshToken: string },
  signal: AbortSignal,
): Promise<Session> {
  const { channel, options } = context;
  const cause =
    "Usual causes: the session has ended, or the response to an earlier refresh was lost: sign in again";
  const what: Exchange = {
    step: "token refresh",
    endpoint: String(server.token_endpoint),
    causes: Object.fromEntries(deadRefreshTokenErrors.map((error) => [error, cause])),
  };
  keepSecret(channel, session.token, session.idToken);
  const obtainedAtMs = channel.environment.wallMs();
  const response = await exchange(channel, what, signal, (httpOptions) =>
    oauth.refreshTokenGrantRequest(
      server,
      own({ client_id: options.clientId }),
      oauth.None(),
      session.refreshToken,
      httpOptions,
    ),
  );
  return interpret(what, async () => {
    const client = await clientOf(context, response);
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub ?? session.subject;
    if (subject !== session.subject) {
      throw unexpectedResponse(what, "it is for another user");
    }
    return {
      ...session,
      generation: session.generation + 1,
      token: bearerToken(what, tokens),
      obtainedAtMs,
      durationMs: tokens.expires_in === undefined ? undefined : tokens.expires_in * 1000,
      refreshToken: tokens.refresh_token ?? session.refreshToken,
      idToken: tokens.id_token ?? session.idToken,
    };
  });
}
