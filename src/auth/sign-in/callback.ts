import { Code } from "@connectrpc/connect";
import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import { keepSecret } from "../endpoint/channel.js";
import { type Exchange, exchange } from "../endpoint/exchange.js";
import { foreignText } from "../endpoint/foreign-text.js";
import { oauthErrorText } from "../endpoint/oauth-error.js";
import { interpret, unexpectedResponse } from "../endpoint/unexpected-response.js";
import { bearerToken } from "../tokens/bearer-token.js";
import { retryingFor } from "../tokens/retrying.js";
import { tokenError } from "../tokens/token-error.js";
import { patienceMs } from "../tokens/waiting.js";
import { type SignInAttempt, takeAttempt } from "./attempt.js";
import { clientOf } from "./client.js";
import type { SignInContext } from "./context.js";
import type { SignInResult } from "./options.js";
import { revokeQuietly } from "./revoke.js";
import type { Session } from "./session.js";

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
