import * as oauth from "oauth4webapi";
import { sleep } from "../../common/time.js";
import { own } from "../../options/checker.js";
import { type Exchange, requestTokens, unexpectedResponse } from "../endpoint.js";
import { type HeldToken, isDue } from "../source.js";
import { AttemptFailure, TokenError } from "../token-error.js";
import type { ServerContext } from "./context.js";
import { claimsOf } from "./session.js";
import type { Session } from "./store.js";

/** The OAuth errors of ZITADEL when a refresh token was already used, or its session has ended. */
const deadRefreshTokenErrors = ["invalid_grant", "invalid_request"];

/** How long what a tab stores is on its way to the others, as a rule and at most. */
const settleMs = 250;
const storageDelayMs = 1_000;

/**
 * Renews the token of a signed-in user. Refresh tokens rotate, and an old one becomes invalid at once: tabs
 * that share a session refresh one at a time, and find the result in their storage.
 */
export function createRenew(context: ServerContext) {
  const { environment, presence, store, discover, discard } = context;
  const fresh = (): HeldToken | undefined => {
    const session = presence.held();
    return session !== undefined && !isDue(session, environment) ? session : undefined;
  };
  const renewAlone = async (signal: AbortSignal): Promise<HeldToken> => {
    const found = fresh();
    if (found !== undefined) {
      return found;
    }
    const session = currentSession(context);
    try {
      const server = await discover(signal);
      const refreshed = await refresh(context, server, session, signal);
      if (store.read()?.refreshToken === session.refreshToken) {
        store.write(refreshed);
        presence.look();
        // Even if it is due at once: it is the newest one.
        return refreshed;
      }
      // The user has signed out meanwhile, or signed in again.
      discard(refreshed);
    } catch (reason) {
      const oauthError = reason instanceof AttemptFailure ? reason.error.oauthError : undefined;
      if (!deadRefreshTokenErrors.includes(oauthError ?? "")) {
        throw reason;
      }
      // Another tab may have refreshed the session, or ended it.
      await sleep(environment, storageDelayMs);
      if (store.read()?.refreshToken === session.refreshToken) {
        store.write({ ...session, refreshToken: undefined });
        presence.look();
        throw reason;
      }
    }
    return presence.current() ?? currentSession(context);
  };
  return async (
    signal: AbortSignal,
    waitFor: (what: string | undefined) => void,
  ): Promise<HeldToken> => {
    await context.handling()?.catch(() => {});
    const found = fresh();
    if (found !== undefined) {
      return found;
    }
    waitFor(
      "another tab of this application is renewing the session, and has not finished: a dialog in it may be open",
    );
    return exclusively(context, () => {
      waitFor(undefined);
      return renewAlone(signal);
    });
  };
}

/** Runs while no other tab that shares the session runs anything. */
function exclusively<T>(
  { environment, options, key, store }: ServerContext,
  run: () => Promise<T>,
): Promise<T> {
  const locks = options.storage === "localStorage" ? globalThis.navigator?.locks : undefined;
  if (locks === undefined) {
    return run();
  }
  return new Promise((resolve) => {
    const runAndSettle = async () => {
      const before = store.read();
      const result = run();
      resolve(result);
      await result.catch(() => {});
      if (store.read() !== before) {
        // The next tab sees that the lock is free before it sees what was stored.
        await sleep(environment, settleMs);
      }
    };
    locks
      .request(key, runAndSettle)
      // Where the browser's settings block all storage, there are no locks, and nothing is shared.
      .catch(() => resolve(run()));
  });
}

function currentSession({ store, presence }: ServerContext): Session & { refreshToken: string } {
  const session = store.read();
  if (session === undefined) {
    throw new TokenError("no user is signed in: call start() to sign in", "unauthenticated");
  }
  if (!presence.knows(session)) {
    throw new TokenError(
      "another user has signed in in another tab: reload the page, or have it listen with onChange()",
      "unauthenticated",
    );
  }
  const { refreshToken } = session;
  if (refreshToken === undefined) {
    throw new TokenError(
      'the session has ended: sign in again (with the scope "offline_access" sessions are renewed)',
      "unauthenticated",
    );
  }
  return { ...session, refreshToken };
}

/** Redeems the refresh token: RFC 6749, section 6, and OpenID Connect Core 1.0, section 12. */
async function refresh(
  { channel, options: { clientId } }: ServerContext,
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
  const client = own({ client_id: clientId });
  const tokens = await requestTokens(
    channel,
    what,
    signal,
    (http) =>
      oauth.refreshTokenGrantRequest(server, client, oauth.None(), session.refreshToken, http),
    async (response, requestedAtMs) =>
      oauth.processRefreshTokenResponse(
        server,
        await clientFor(clientId, response, requestedAtMs),
        response,
      ),
  );
  const { subject, refreshToken, idToken } = session;
  if ((tokens.subject ?? subject) !== subject) {
    throw unexpectedResponse(what, "it is for another user");
  }
  return {
    ...session,
    ...tokens,
    refreshToken: tokens.refreshToken ?? refreshToken,
    idToken: tokens.idToken ?? idToken,
    subject,
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
