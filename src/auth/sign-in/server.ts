import * as oauth from "oauth4webapi";
import { exponential, sleep } from "../../common/time.js";
import { checkOptions, own } from "../../options/checker.js";
import { createDiscover, type Discover } from "../discovery.js";
import {
  type Channel,
  type Exchange,
  exchange,
  foreignText,
  interpret,
  oauthErrorText,
  retryingFor,
  unexpectedResponse,
} from "../endpoint.js";
import { scopeParameter } from "../options.js";
import { patienceMs } from "../source.js";
import { AttemptFailure, type TokenError, tokenError } from "../token-error.js";
import { putAttempt, returnAddress, type SignInAttempt, takeAttempt } from "./attempt.js";
import { statePrefix } from "./callback.js";
import type { SignInContext } from "./context.js";
import { type SignInResult, type StartOptions, startChecks } from "./options.js";
import { clientFor, createRenew, tokensOf } from "./refresh.js";
import type { Session } from "./session.js";
import { createTabs } from "./tabs.js";

/** What talks to the authorization server: a page loads it when it is needed. */
export type Server = ReturnType<typeof connect>;

/** How long signing out waits for tokens to be revoked. */
const revocationMs = 3_000;
/** Between attempts to revoke tokens. */
const pauses = { firstMs: 250, maxMs: 30_000 };

export function connect(context: SignInContext) {
  const { options, environment, closed, key, mark, store, unrevoked } = context;
  const channel: Channel = own({
    environment,
    fetch: options.fetch,
    secrets: () => {
      const { token, refreshToken, idToken } = store.read() ?? {};
      return [token, refreshToken, idToken];
    },
    // Browsers tell no reason, and throw TypeErrors alone.
    explain: (reason) => ({ text: `got no response: ${reason}` }),
  });
  const discover = createDiscover(channel, options.issuer);
  const tabs = createTabs(context);
  let revoking: Promise<void> | undefined;
  let pause = new AbortController();
  closed.addEventListener("abort", () => pause.abort());
  const failures: { last?: TokenError; rejected?: TokenError } = {};

  /** Revokes every token that waits for it, and tries again until that is done. */
  const revokeAll = async () => {
    for (let round = 0; unrevoked.all().length > 0 && !closed.aborted; round++) {
      if (round > 0) {
        await sleep(environment, exponential(environment, pauses, round), pause.signal, {
          background: true,
        });
      }
      for (const token of closed.aborted ? [] : unrevoked.all()) {
        try {
          await revokeToken(context, channel, discover, token);
          unrevoked.remove(token);
        } catch (reason) {
          if (reason instanceof AttemptFailure) {
            failures.last = reason.error;
            if (reason.error.oauthError !== undefined) {
              // No other attempt would change that.
              failures.rejected = reason.error;
              unrevoked.remove(token);
            }
          }
        }
      }
    }
  };
  /** At once, also where an earlier failure has it wait. */
  const revoke = (): Promise<void> => {
    pause.abort();
    pause = new AbortController();
    revoking ??= revokeAll().finally(() => {
      revoking = undefined;
    });
    return revoking;
  };
  const discard = ({ token, refreshToken = token }: Session) => {
    unrevoked.add(refreshToken);
    revoke();
  };

  return {
    revoke,
    receive: tabs.receive,
    renew: createRenew(context, channel, discover, tabs, discard),

    /** Redirects to the login page: OpenID Connect Core 1.0, section 3.1.2.1, with PKCE (RFC 7636). */
    start: async (given: StartOptions): Promise<void> => {
      const { clientId, issuer, redirectUri } = options;
      const start = checkOptions(given, startChecks, { caller: "start" });
      const { origin } = new URL(redirectUri);
      if (origin !== location.origin) {
        throw new TypeError(
          `redirectUri must be on the page's own origin, ${location.origin}; it is on ${origin}`,
        );
      }
      if (globalThis.isSecureContext === false || globalThis.crypto?.subtle === undefined) {
        throw new TypeError(
          "signIn needs WebCrypto, and a page served over https or from this machine",
        );
      }
      const { href } = location;
      const returnTo = returnAddress(start.returnTo ?? href, href);
      const server = await retryingFor(environment, patienceMs, discover);
      const { authorization_endpoint: endpoint } = server;
      if (endpoint === undefined) {
        throw tokenError(
          `${issuer} names no authorization_endpoint in its discovery document. Is issuer the origin of a ZITADEL instance?`,
          "unauthenticated",
        );
      }
      for (const other of namesIssuer(server) ? [] : context.page) {
        if (other.redirectUri === redirectUri && other.issuer !== issuer) {
          throw new TypeError(
            `redirectUri must be another than that of the sign-in at ${other.issuer}, since responses name no issuer`,
          );
        }
      }
      const state = statePrefix + oauth.generateRandomState();
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
      putAttempt(key, state, {
        nonce,
        codeVerifier,
        returnTo,
        startedAtMs: environment.wallMs(),
        mark: mark.read(),
        maxAge:
          start.parameters?.max_age === undefined ? undefined : Number(start.parameters.max_age),
      });
      location.assign(url);
    },

    /**
     * Handles the response of the authorization server: OpenID Connect Core 1.0, section 3.1.2.5 and on, and
     * RFC 9207.
     *
     * @param path of the address that the response came to.
     * @param inAddress whether that is the page's address, which is then restored to the one before the
     * sign-in.
     */
    handle: async (
      response: URLSearchParams,
      path: string,
      inAddress: boolean,
    ): Promise<SignInResult> => {
      const state = String(response.get("state"));
      const attempt = takeAttempt(key, state, environment.wallMs());
      if (attempt === undefined) {
        throw tokenError(
          "this response belongs to no sign-in of this tab within the last hour, or was used before: sign in again",
          "unauthenticated",
          { reason: "no-such-sign-in" },
        );
      }
      if (inAddress) {
        // Absolute: a page's <base> may name another origin.
        history.replaceState(history.state, "", location.origin + attempt.returnTo);
      }
      const signedOut = () =>
        tokenError("the user signed out meanwhile: sign in again", "unauthenticated", {
          reason: "signed-out",
        });
      return retryingFor(environment, patienceMs, async (signal) => {
        if (attempt.mark !== mark.read()) {
          throw signedOut();
        }
        const server = await discover(signal);
        checkPath(context, server, path);
        const session = await redeem(context, channel, server, response, attempt, signal);
        if (attempt.mark !== mark.read()) {
          discard(session);
          throw signedOut();
        }
        const replaced = store.read();
        store.write(session);
        tabs.changed(session);
        if (replaced !== undefined) {
          discard(replaced);
        }
        return { returnTo: attempt.returnTo, userId: session.subject };
      });
    },

    /**
     * Ends a session at the server that is already over here: OpenID Connect RP-Initiated Logout 1.0,
     * section 2.
     */
    end: async (idToken: string | undefined): Promise<void> => {
      delete failures.rejected;
      let revoked = Promise.resolve();
      const server = await retryingFor(environment, patienceMs, discover).finally(() => {
        revoked = revoke();
      });
      const limit = new AbortController();
      await Promise.race([revoked, sleep(environment, revocationMs, limit.signal)]);
      limit.abort();
      const isPending = unrevoked.all().length > 0;
      if (isPending || failures.rejected !== undefined) {
        const why = failures.last?.rawMessage ?? `no response within ${revocationMs / 1000} s`;
        throw tokenError(
          `the user is signed out here, but a token is not revoked: ${why}${isPending ? ". It is retried while the page is open; call signOut() again to go on" : ""}`,
          "unavailable",
          { cause: failures.last },
        );
      }
      const after = options.postLogoutRedirectUri;
      if (server.end_session_endpoint === undefined) {
        location.assign(after ?? location.href);
        return;
      }
      const url = new URL(server.end_session_endpoint);
      url.searchParams.set("client_id", options.clientId);
      if (idToken !== undefined) {
        url.searchParams.set("id_token_hint", idToken);
      }
      if (after !== undefined) {
        url.searchParams.set("post_logout_redirect_uri", after);
      }
      location.assign(url);
    },
  };
}

/** Revokes a token: RFC 7009. With a refresh token, ZITADEL revokes the access token too. */
async function revokeToken(
  { options, closed }: SignInContext,
  channel: Channel,
  discover: Discover,
  token: string,
): Promise<void> {
  const server = await discover(closed);
  const endpoint = server.revocation_endpoint;
  if (endpoint !== undefined) {
    const what = { step: "revocation", endpoint, causes: {} };
    await exchange(channel, what, closed, (httpOptions) =>
      oauth.revocationRequest(
        server,
        own({ client_id: options.clientId }),
        oauth.None(),
        token,
        httpOptions,
      ),
    );
  }
}

function namesIssuer(server: oauth.AuthorizationServer): boolean {
  return server.authorization_response_iss_parameter_supported === true;
}

/**
 * A response that does not name its issuer must not come to the redirect URI of another one: a hostile
 * server could have been asked in its place (RFC 9700, section 4.4).
 *
 * @throws what `tokenError` makes.
 */
function checkPath(
  { options, page }: SignInContext,
  server: oauth.AuthorizationServer,
  path: string,
): void {
  const plain = (address: string) =>
    new URL(address, options.redirectUri).pathname.replace(/(?:index)?(?:\.html?)?\/*$/, "");
  for (const other of namesIssuer(server) ? [] : page) {
    if (
      other.issuer !== options.issuer &&
      plain(other.redirectUri) === plain(path) &&
      plain(options.redirectUri) !== plain(path)
    ) {
      throw tokenError(
        `this response came to the redirectUri of ${other.issuer}: sign in again`,
        "unauthenticated",
      );
    }
  }
}

async function redeem(
  { options, environment }: SignInContext,
  channel: Channel,
  server: oauth.AuthorizationServer,
  callback: URLSearchParams,
  attempt: SignInAttempt,
  signal: AbortSignal,
): Promise<Session> {
  const { clientId, redirectUri } = options;
  const client = own({ client_id: clientId });
  const asked: Exchange = {
    step: "sign-in",
    endpoint: String(server.authorization_endpoint),
    causes: {},
  };
  const parameters = await interpret(asked, async () => {
    try {
      return oauth.validateAuthResponse(server, client, callback, String(callback.get("state")));
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
  const obtainedAtMs = environment.wallMs();
  const response = await exchange(channel, what, signal, (httpOptions) =>
    oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      redirectUri,
      attempt.codeVerifier,
      httpOptions,
    ),
  );
  return interpret(what, async () => {
    const tokens = await oauth.processAuthorizationCodeResponse(
      server,
      await clientFor(clientId, response, obtainedAtMs),
      response,
      own({
        expectedNonce: attempt.nonce,
        requireIdToken: true,
        ...(attempt.maxAge !== undefined && { maxAge: attempt.maxAge }),
      }),
    );
    const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub;
    if (subject === undefined) {
      throw unexpectedResponse(what, "it does not say who signed in");
    }
    return {
      id: oauth.generateRandomState(),
      shareKey: oauth.generateRandomState(),
      generation: 0,
      ...tokensOf(what, tokens, obtainedAtMs),
      subject,
      mark: attempt.mark,
    };
  });
}

/** This text comes from the address, which anyone can write: it is shown, and decides nothing. */
function declined({ step, endpoint }: Exchange, error: string, description: string | undefined) {
  const isCancelled = error === "access_denied";
  return tokenError(
    `${step} at ${endpoint} was rejected: ${oauthErrorText({ error, description })}${isCancelled ? ". Usual cause: the user chose not to sign in" : ""}`,
    "unauthenticated",
    { oauthError: foreignText(error), reason: isCancelled ? "cancelled" : undefined },
  );
}
