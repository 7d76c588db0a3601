import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import type { Discover } from "../discovery.js";
import {
  bearerToken,
  type Channel,
  type Exchange,
  exchange,
  interpret,
  unexpectedResponse,
} from "../endpoint.js";
import { type HeldToken, isDue } from "../source.js";
import { AttemptFailure, tokenError } from "../token-error.js";
import type { SignInContext } from "./context.js";
import { claimsOf, type Session } from "./session.js";
import type { Tabs } from "./tabs.js";

/** The OAuth errors of ZITADEL when a refresh token was already used, or its session has ended. */
const deadRefreshTokenErrors = ["invalid_grant", "invalid_request"];

/**
 * Renews the token of a signed-in user. Refresh tokens rotate, and an old one becomes invalid at once: tabs
 * that hold the same one refresh one at a time, and share the result.
 *
 * @param revoke takes tokens that belong to no session.
 */
export function createRenew(
  context: SignInContext,
  channel: Channel,
  discover: Discover,
  tabs: Tabs,
  revoke: (session: Session) => void,
) {
  const { environment, held, lifetimeOf, look, store } = context;
  const fresh = (): HeldToken | undefined => {
    const token = held();
    return token !== undefined && !isDue(token.lifetime, environment) ? token : undefined;
  };
  const keep = (session: Session): HeldToken => {
    store.write(session);
    tabs.changed(session);
    look();
    // Even if it is due at once: it is the newest one.
    return { token: session.token, lifetime: lifetimeOf(session) };
  };
  const renewAlone = async (behind: boolean, signal: AbortSignal): Promise<HeldToken> => {
    const before = currentSession(context);
    if (behind) {
      await tabs.ask(before);
    }
    const found = fresh();
    if (found !== undefined) {
      return found;
    }
    const session = currentSession(context);
    try {
      const server = await discover(signal);
      const refreshed = await refresh(context, channel, server, session, signal);
      if (store.read()?.id === session.id) {
        return keep(refreshed);
      }
      // The user has signed out meanwhile, or signed in again.
      revoke(refreshed);
      const other = held();
      if (other === undefined) {
        throw notSignedIn();
      }
      return other;
    } catch (reason) {
      const oauthError = reason instanceof AttemptFailure ? reason.error.oauthError : undefined;
      if (!deadRefreshTokenErrors.includes(oauthError ?? "")) {
        throw reason;
      }
      const handedOn = (await tabs.ask(session)) ? held() : undefined;
      if (handedOn !== undefined) {
        return handedOn;
      }
      if (store.read()?.id === session.id) {
        store.write({ ...session, refreshToken: undefined });
        look();
      }
      throw reason;
    }
  };
  return async (
    signal: AbortSignal,
    waitFor: (what: string | undefined) => void,
  ): Promise<HeldToken> => {
    await context.signingIn();
    const found = fresh();
    if (found !== undefined) {
      return found;
    }
    waitFor(
      "another tab of this application is renewing the session, and has not finished: a dialog in it may be open",
    );
    return tabs.exclusively(store.read(), (behind) => {
      waitFor(undefined);
      return renewAlone(behind, signal);
    });
  };
}

function currentSession(context: SignInContext): Session & { refreshToken: string } {
  const session = context.store.read();
  if (session === undefined) {
    throw notSignedIn();
  }
  if (!context.knows(session)) {
    throw tokenError(
      "another user has signed in in another tab: reload the page, or have it listen with onChange()",
      "unauthenticated",
    );
  }
  const { refreshToken } = session;
  if (refreshToken === undefined) {
    throw tokenError(
      'the session has ended: sign in again (with the scope "offline_access" sessions are renewed)',
      "unauthenticated",
    );
  }
  return { ...session, refreshToken };
}

function notSignedIn(): Error {
  return tokenError("no user is signed in: call start() to sign in", "unauthenticated");
}

/** Redeems the refresh token: RFC 6749, section 6, and OpenID Connect Core 1.0, section 12. */
async function refresh(
  { options, environment }: SignInContext,
  channel: Channel,
  server: oauth.AuthorizationServer,
  session: Session & { refreshToken: string },
  signal: AbortSignal,
): Promise<Session> {
  const cause =
    "Usual causes: the session has ended, or the response to an earlier refresh was lost: sign in again";
  const what: Exchange = {
    step: "token refresh",
    endpoint: String(server.token_endpoint),
    causes: Object.fromEntries(deadRefreshTokenErrors.map((error) => [error, cause])),
  };
  const { clientId } = options;
  const obtainedAtMs = environment.wallMs();
  const response = await exchange(channel, what, signal, (httpOptions) =>
    oauth.refreshTokenGrantRequest(
      server,
      own({ client_id: clientId }),
      oauth.None(),
      session.refreshToken,
      httpOptions,
    ),
  );
  return interpret(what, async () => {
    const client = await clientFor(clientId, response, obtainedAtMs);
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub ?? session.subject;
    if (subject !== session.subject) {
      throw unexpectedResponse(what, "it is for another user");
    }
    return {
      ...session,
      generation: session.generation + 1,
      ...tokensOf(what, tokens, obtainedAtMs),
      refreshToken: tokens.refresh_token ?? session.refreshToken,
      idToken: tokens.id_token ?? session.idToken,
    };
  });
}

/** What a session keeps of a token response. */
export function tokensOf(
  what: Exchange,
  tokens: oauth.TokenEndpointResponse,
  obtainedAtMs: number,
) {
  return {
    token: bearerToken(what, tokens),
    obtainedAtMs,
    durationMs: tokens.expires_in === undefined ? undefined : tokens.expires_in * 1000,
    refreshToken: tokens.refresh_token,
    idToken: tokens.id_token,
  };
}

/** How far the times of an ID token may be off the server's clock. docs/tokens.md names it. */
const toleranceSeconds = 30;

/**
 * The client for reading a token response. Browsers hide the `Date` header of another origin from a page, so
 * where the machine's clock is off, the ID token itself tells the server's time: it comes straight from the
 * server, and its latest date in the past is at most a moment ago.
 */
export async function clientFor(
  clientId: string,
  response: Response,
  nowMs: number,
): Promise<oauth.Client> {
  const { id_token: idToken } = await response
    .clone()
    .json()
    .catch(() => ({}));
  const { iat, auth_time: authTime } = claimsOf(idToken);
  const latest = Math.max(...[iat, authTime].map(Number).filter(Number.isFinite));
  const skew = Math.round(latest - nowMs / 1000);
  return own({
    client_id: clientId,
    [oauth.clockSkew]: Number.isFinite(skew) && Math.abs(skew) >= 5 ? skew : 0,
    [oauth.clockTolerance]: toleranceSeconds,
  });
}
