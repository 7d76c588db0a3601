import { Code } from "@connectrpc/connect";
import * as oauth from "oauth4webapi";
import { type Exchange, exchange } from "../endpoint/exchange.js";
import { interpret, unexpectedResponse } from "../endpoint/unexpected-response.js";
import { bearerToken } from "../tokens/bearer-token.js";
import { isDue, isExpired } from "../tokens/lifetime.js";
import type { HeldToken, TokenKeeper } from "../tokens/renewal.js";
import { isTokenError, tokenError } from "../tokens/token-error.js";
import type { SignInContext } from "./context.js";
import { createLifetimes, type Session } from "./session.js";

export interface SessionKeeper extends TokenKeeper {
  /** Whether there is a token that works, or a way to get one. */
  hasSession(): boolean;
}

/** What ZITADEL answers where a refresh token is used up or its session has ended. */
const deadRefreshToken = ["invalid_grant", "invalid_request"];

/**
 * Keeps the tokens of a signed-in person. Refresh tokens rotate, and an old one is dead at once: tabs
 * that hold the same one refresh one at a time, and hand on what they got.
 *
 * @param signingIn resolves when no sign-in is being handled.
 */
export function createSessionKeeper(
  context: SignInContext,
  signingIn: () => Promise<unknown> | undefined,
): SessionKeeper {
  const { store, tabs, channel, discover } = context;
  const { environment } = channel;
  const lifetimeOf = createLifetimes(environment);
  let refused: string | undefined;

  const held = (): HeldToken | undefined => {
    const session = signingIn() === undefined ? store.read() : undefined;
    return session === undefined || session.token === refused
      ? undefined
      : { token: session.token, lifetime: lifetimeOf(session) };
  };
  const heldAndFresh = (): HeldToken | undefined => {
    const token = held();
    return token !== undefined && !isDue(token.lifetime, environment) ? token : undefined;
  };
  const keep = (session: Session): HeldToken => {
    store.write(session);
    tabs.tell(session);
    // Even where it is due at once: it is the newest there is.
    return { token: session.token, lifetime: lifetimeOf(session) };
  };

  return {
    held,
    drop: (token) => {
      if (store.read()?.token === token) {
        refused = token;
      }
    },
    hasSession: () => {
      const session = store.read();
      const token = held();
      return (
        session?.refreshToken !== undefined ||
        (token !== undefined && !isExpired(token.lifetime, environment))
      );
    },
    renew: async (signal) => {
      await signingIn();
      return (
        heldAndFresh() ??
        tabs.exclusively(async (waited) => {
          const before = currentSession(context);
          if (waited && heldAndFresh() === undefined) {
            // Another tab has just been at it. Its word may still be on the way.
            await tabs.ask(before);
          }
          const fresh = heldAndFresh();
          if (fresh !== undefined) {
            return fresh;
          }
          const session = currentSession(context);
          try {
            const server = await discover(signal);
            const refreshed = await refresh(context, server, session, signal);
            // Somebody may have signed out meanwhile, or in again: these tokens are nobody's then.
            if (store.read()?.id === session.id) {
              return keep(refreshed);
            }
            const other = held();
            if (other === undefined) {
              throw signedOut();
            }
            return other;
          } catch (reason) {
            if (!isTokenError(reason) || !deadRefreshToken.includes(reason.oauthError ?? "")) {
              throw reason;
            }
            if (await tabs.ask(session)) {
              const handedOn = held();
              if (handedOn !== undefined) {
                return handedOn;
              }
            }
            if (store.read()?.id === session.id) {
              store.write({ ...session, refreshToken: undefined });
            }
            throw reason;
          }
        })
      );
    },
    // The answer holds the only refresh token that works from then on.
    finishesAttempts: true,
  };
}

function currentSession({ store }: SignInContext): Session & { refreshToken: string } {
  const session = store.read();
  if (session === undefined) {
    throw signedOut();
  }
  const { refreshToken } = session;
  if (refreshToken === undefined) {
    throw tokenError(
      'the session has ended: sign in again (with the scope "offline_access" sessions are renewed)',
      Code.Unauthenticated,
    );
  }
  return { ...session, refreshToken };
}

function signedOut(): Error {
  return tokenError("nobody is signed in: call start() to sign in", Code.Unauthenticated);
}

/** RFC 6749, section 6, and OpenID Connect Core 1.0, section 12. */
async function refresh(
  { channel, client }: SignInContext,
  server: oauth.AuthorizationServer,
  session: Session & { refreshToken: string },
  signal: AbortSignal,
): Promise<Session> {
  const cause =
    "Usual causes: the session has ended, or the answer to an earlier refresh was lost: sign in again";
  const what: Exchange = {
    step: "token refresh",
    endpoint: String(server.token_endpoint),
    causes: Object.fromEntries(deadRefreshToken.map((error) => [error, cause])),
  };
  const obtainedAtMs = channel.environment.wallMs();
  const response = await exchange(channel, what, signal, (httpOptions) =>
    oauth.refreshTokenGrantRequest(server, client, oauth.None(), session.refreshToken, httpOptions),
  );
  return interpret(what, async () => {
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub ?? session.subject;
    if (subject !== session.subject) {
      throw unexpectedResponse(what, "it is for another person");
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
