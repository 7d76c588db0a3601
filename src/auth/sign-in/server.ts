import { Code } from "@connectrpc/connect";
import * as oauth from "oauth4webapi";
import { checkOptions, own } from "../../options/checker.js";
import { keepSecret } from "../channel.js";
import {
  bearerToken,
  type Exchange,
  exchange,
  foreignText,
  interpret,
  oauthErrorText,
  unexpectedResponse,
} from "../endpoint.js";
import { scopeParameter } from "../options.js";
import { patienceMs, retryingFor } from "../source.js";
import { tokenError } from "../token-error.js";
import { isOwnState, makeState, returnAddress, withoutResponse } from "./callback.js";
import type { SignInContext } from "./context.js";
import { type SignInResult, type StartOptions, startChecks } from "./options.js";
import { claimsOf, deadRefreshTokenErrors, type Session } from "./session.js";
import { putAttempt, type SignInAttempt, takeAttempt } from "./store.js";

// What talks to the authorization server: a page loads this file when it is needed (`loaded.ts`).
export { createDiscover } from "../discovery.js";

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

/** Redirects to the login page: OpenID Connect Core 1.0, section 3.1.2.1, with PKCE (RFC 7636). */
export async function startSignIn(context: SignInContext, given: StartOptions): Promise<void> {
  const { options, channel, discover, key } = context;
  const { clientId, redirectUri } = options;
  const start = checkOptions(given, startChecks, { caller: "start" });
  const { origin } = new URL(redirectUri);
  if (origin !== location.origin) {
    throw new TypeError(
      `redirectUri must be on the page's own origin, ${location.origin}; it is on ${origin}`,
    );
  }
  if (!isSecureContext) {
    throw new TypeError("signIn needs a page served over https, or from this machine");
  }
  const { href } = location;
  const here = isOwnState(new URL(href).searchParams.get("state")) ? withoutResponse(href) : href;
  const returnTo = returnAddress(start.returnTo ?? here, here);
  const server = await retryingFor(channel.environment, patienceMs, discover);
  const { authorization_endpoint: endpoint } = server;
  if (endpoint === undefined) {
    throw tokenError(
      `${options.issuer} names no authorization_endpoint in its discovery document: it cannot sign in users. Is issuer the origin of a ZITADEL instance?`,
      Code.Unauthenticated,
    );
  }
  const state = makeState(oauth.generateRandomState());
  const nonce = oauth.generateRandomNonce();
  const codeVerifier = oauth.generateRandomCodeVerifier();
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries({
    ...start.parameters,
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: scopeParameter([...(options.scopes ?? []), ...(start.scopes ?? [])]),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
  })) {
    url.searchParams.set(name, value);
  }
  const startedAtMs = channel.environment.wallMs();
  putAttempt(key, state, { nonce, codeVerifier, returnTo, startedAtMs });
  location.assign(url);
}

/**
 * Handles the response of the authorization server: OpenID Connect Core 1.0, section 3.1.2.5 and on, and
 * RFC 9207.
 *
 * @param inAddress whether the response was in the page's address, which is then restored to the one before
 * the sign-in.
 * @param signOutsBefore the number of sign-outs when the response arrived.
 */
export async function handleResponse(
  context: SignInContext,
  response: URLSearchParams,
  inAddress: boolean,
  signOutsBefore: number,
): Promise<SignInResult> {
  const { channel, discover, key, signOuts, store, tabs } = context;
  const { environment } = channel;
  const state = String(response.get("state"));
  const attempt = takeAttempt(key, state, environment.wallMs());
  if (attempt === undefined) {
    throw tokenError(
      "this response belongs to no sign-in that was started in this tab within the last hour, or was used before: sign in again",
      Code.Unauthenticated,
    );
  }
  if (inAddress) {
    // Absolute: a page's <base> may name another origin.
    history.replaceState(history.state, "", location.origin + attempt.returnTo);
  }
  return retryingFor(environment, patienceMs, async (signal) => {
    const server = await discover(signal);
    const session = await redeem(context, server, response, state, attempt, signal);
    if (signOuts.count !== signOutsBefore) {
      revokeQuietly(context, session);
      throw tokenError("the user signed out meanwhile: sign in again", Code.Unauthenticated);
    }
    store.write(session);
    tabs.changed(session);
    return { returnTo: attempt.returnTo, userId: session.subject };
  });
}

async function redeem(
  context: SignInContext,
  server: oauth.AuthorizationServer,
  callback: URLSearchParams,
  state: string,
  attempt: SignInAttempt,
  signal: AbortSignal,
): Promise<Session> {
  const { options, channel } = context;
  const client = own({ client_id: options.clientId });
  const asked: Exchange = {
    step: "sign-in",
    endpoint: String(server.authorization_endpoint),
    causes: {},
  };
  const parameters = await interpret(asked, async () => {
    try {
      return oauth.validateAuthResponse(server, client, callback, state);
    } catch (reason) {
      throw reason instanceof oauth.AuthorizationResponseError
        ? declined(asked, reason.error, reason.error_description)
        : reason;
    }
  });
  const usedCode = "Usual causes: the code was used before, or has expired: sign in again";
  const what: Exchange = {
    step: "token request",
    endpoint: String(server.token_endpoint),
    causes: {
      invalid_request: usedCode,
      invalid_grant: usedCode,
      invalid_client:
        "Usual causes: clientId is wrong, or the application is not one without secret",
    },
  };
  keepSecret(channel, attempt.nonce);
  const obtainedAtMs = channel.environment.wallMs();
  const response = await exchange(channel, what, signal, (httpOptions) =>
    oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      options.redirectUri,
      attempt.codeVerifier,
      httpOptions,
    ),
  );
  return interpret(what, async () => {
    const tokens = await oauth.processAuthorizationCodeResponse(
      server,
      await clientOf(context, response),
      response,
      own({ expectedNonce: attempt.nonce, requireIdToken: true }),
    );
    const token = bearerToken(what, tokens);
    const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub;
    if (subject === undefined) {
      throw unexpectedResponse(what, "it does not say who signed in");
    }
    return {
      id: oauth.generateRandomState(),
      shareKey: oauth.generateRandomState(),
      generation: 0,
      token,
      obtainedAtMs,
      durationMs: tokens.expires_in === undefined ? undefined : tokens.expires_in * 1000,
      refreshToken: tokens.refresh_token,
      idToken: tokens.id_token,
      subject,
    };
  });
}

/** This text comes from the address, which anyone can write: it is shown, and decides nothing. */
function declined({ step, endpoint }: Exchange, error: string, description: string | undefined) {
  const cause = error === "access_denied" ? ". Usual cause: the user chose not to sign in" : "";
  return tokenError(
    `${step} at ${endpoint} was rejected: ${oauthErrorText({ error, description })}${cause}`,
    Code.Unauthenticated,
    { oauthError: foreignText(error) },
  );
}

const toleranceSeconds = 30;

/**
 * The client for reading a token response. Browsers hide the `Date` header of another origin from a page, so
 * the clock skew is derived from the ID token, which comes straight from the server and was issued just now.
 */
export async function clientOf(
  { options, channel: { clock } }: SignInContext,
  response: Response,
): Promise<oauth.Client> {
  const { id_token: idToken } = await response
    .clone()
    .json()
    .catch(() => ({}));
  clock.note(Number(claimsOf(idToken).iat) * 1000);
  return own({
    client_id: options.clientId,
    [oauth.clockSkew]: Math.round(clock.offsetMs() / 1000),
    [oauth.clockTolerance]: toleranceSeconds,
  });
}

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

/** How long signing out waits for the tokens to be revoked. */
const revocationMs = 3_000;

/**
 * Revokes the tokens of a session (RFC 7009), within 3 s. With its refresh token, ZITADEL revokes the
 * access token too. Never rejects: the session is over in this page in any case.
 */
export async function revokeQuietly(context: SignInContext, session: Session): Promise<void> {
  const { options, channel, discover } = context;
  const { token, refreshToken = token } = session;
  await retryingFor(channel.environment, revocationMs, async (signal) => {
    const server = await discover(signal);
    const endpoint = server.revocation_endpoint;
    if (endpoint !== undefined) {
      const client = own({ client_id: options.clientId });
      await exchange(channel, { step: "revocation", endpoint, causes: {} }, signal, (httpOptions) =>
        oauth.revocationRequest(server, client, oauth.None(), refreshToken, httpOptions),
      );
    }
  }).catch(() => {});
}
