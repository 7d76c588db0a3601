import * as oauth from "oauth4webapi";
import { checkOptions, own } from "../../options/checker.js";
import {
  type Exchange,
  foreignText,
  interpret,
  oauthErrorText,
  requestTokens,
} from "../endpoint.js";
import { scopeParameter } from "../options.js";
import { patienceMs, retryingFor } from "../source.js";
import { TokenError } from "../token-error.js";
import { statePrefix, statePrefixOf, withoutResponse } from "./callback.js";
import type { ServerContext } from "./context.js";
import { type SignInResult, type StartOptions, startChecks } from "./options.js";
import { clientFor } from "./refresh.js";
import type { Session } from "./store.js";

/** What is stored about a sign-in while the user is at the login page. */
interface SignInAttempt {
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Where the user was, relative to the origin. */
  readonly returnTo: string;
  readonly startedAtMs: number;
  /** The value of `SignOutMark`. */
  readonly mark: string | null;
  /** The parameter `max_age`, in seconds. */
  readonly maxAge?: number | undefined;
}

/** Longer than any user takes to sign in. */
const maxAgeMs = 3_600_000;

/** To the login page and back: OpenID Connect Core 1.0, section 3.1, with PKCE (RFC 7636). */
export function createLogin(context: ServerContext) {
  const { options, environment, key, mark, store, page, discover, discard } = context;
  /**
   * The sign-in of the page at another issuer whose redirect URI has the path of an address. A hostile server
   * could have been asked in its place (RFC 9700, section 4.4), unless servers name themselves in their responses
   * (RFC 9207).
   */
  const otherAt = (address: string, server: oauth.AuthorizationServer) =>
    server.authorization_response_iss_parameter_supported === true
      ? undefined
      : [...page].find(
          ({ issuer, redirectUri }) =>
            issuer !== options.issuer && plainPath(redirectUri) === plainPath(address),
        );
  return {
    /** Redirects to the login page. */
    start: async (given: StartOptions): Promise<void> => {
      const start = checkOptions(given, startChecks, { caller: "start" });
      const { origin } = new URL(options.redirectUri);
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
        throw new TokenError(
          `${options.issuer} names no authorization_endpoint in its discovery document. Is issuer the origin of a ZITADEL instance?`,
          "unauthenticated",
        );
      }
      const other = otherAt(options.redirectUri, server);
      if (other !== undefined) {
        throw new TypeError(
          `redirectUri must be another than that of the sign-in at ${other.issuer}, in its path: responses name no issuer`,
        );
      }
      const state = statePrefixOf(key) + oauth.generateRandomState();
      const nonce = oauth.generateRandomNonce();
      const codeVerifier = oauth.generateRandomCodeVerifier();
      const url = new URL(endpoint);
      for (const [name, value] of Object.entries({
        ...start.parameters,
        client_id: options.clientId,
        redirect_uri: options.redirectUri,
        response_type: "code",
        scope: scopeParameter([...(options.scopes ?? []), ...(start.scopes ?? [])]),
        state,
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: "S256",
      })) {
        url.searchParams.set(name, value);
      }
      const maxAge = start.parameters?.max_age;
      putAttempt(key, state, {
        nonce,
        codeVerifier,
        returnTo,
        startedAtMs: environment.wallMs(),
        mark: mark.read(),
        maxAge: maxAge === undefined ? undefined : Number(maxAge),
      });
      location.assign(url);
    },

    /**
     * Handles the response of the login page.
     *
     * @param address that the response came to.
     * @param inAddress whether that is the page's address, which is then restored to the one before the
     * sign-in.
     */
    handle: async (
      response: URLSearchParams,
      address: string,
      inAddress: boolean,
    ): Promise<SignInResult> => {
      const attempt = takeAttempt(key, String(response.get("state")), environment.wallMs());
      if (attempt === undefined) {
        throw new TokenError(
          "this response belongs to no sign-in of this tab within the last hour, or was used before: sign in again",
          "unauthenticated",
          { reason: "no-such-sign-in" },
        );
      }
      if (inAddress) {
        // Absolute: a page's <base> may name another origin.
        history.replaceState(history.state, "", location.origin + attempt.returnTo);
      }
      return retryingFor(environment, patienceMs, async (signal) => {
        const server = await discover(signal);
        const other = otherAt(address, server);
        if (other !== undefined) {
          throw new TokenError(
            `this response came to the redirectUri of ${other.issuer}: sign in again`,
            "unauthenticated",
          );
        }
        const session = await redeem(context, server, response, attempt, signal);
        if (attempt.mark !== mark.read()) {
          discard(session);
          throw new TokenError("the user signed out meanwhile: sign in again", "unauthenticated", {
            reason: "signed-out",
          });
        }
        const replaced = store.read();
        store.write(session);
        if (replaced !== undefined) {
          discard(replaced);
        }
        return { returnTo: attempt.returnTo, userId: session.subject };
      });
    },
  };
}

/** The name under which a sign-in is stored while the user is at the login page. */
function attemptName(key: string, state: string): string {
  return `${key}:state:${state}`;
}

/**
 * Records a sign-in that this tab starts. It is stored in `sessionStorage` whatever the option `storage` is:
 * the page is unloaded meanwhile.
 *
 * @throws TokenError when the browser does not allow it.
 */
function putAttempt(key: string, state: string, attempt: SignInAttempt): void {
  try {
    sessionStorage.setItem(attemptName(key, state), JSON.stringify(attempt));
  } catch (cause) {
    throw new TokenError(
      "sessionStorage is full, or the browser's settings block it: a sign-in is kept there meanwhile",
      "failed_precondition",
      { cause },
    );
  }
}

/** Returns the sign-in with this state, once. */
function takeAttempt(key: string, state: string, nowMs: number): SignInAttempt | undefined {
  try {
    const name = attemptName(key, state);
    const attempt: SignInAttempt = JSON.parse(sessionStorage.getItem(name) ?? "");
    sessionStorage.removeItem(name);
    const returnTo = returnAddress(attempt.returnTo, location.origin);
    return nowMs - attempt.startedAtMs < maxAgeMs ? { ...attempt, returnTo } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where to go after sign-in, relative to the origin, and without the response of a sign-in.
 *
 * @throws TypeError when it is on another origin: it would be an open redirect.
 */
export function returnAddress(href: string, base: string): string {
  if (typeof href !== "string" || !URL.canParse(href, base)) {
    throw new TypeError("returnTo must be a URL, absolute or relative to the page");
  }
  const given = new URL(href, base);
  const page = new URL(base);
  // "blob:" has the origin of what is in it, and a whole URL for its path.
  if (given.origin !== page.origin || given.protocol !== page.protocol) {
    throw new TypeError(
      `returnTo must be on the origin of the page, ${page.origin}; got one on ${given.protocol === "blob:" ? given.protocol : given.origin}`,
    );
  }
  const isResponse = given.searchParams.get("state")?.startsWith(statePrefix);
  const url = isResponse ? new URL(withoutResponse(given.href)) : given;
  // "//host/path" would be resolved as another host.
  return url.pathname.replace(/^\/+/, "/") + url.search + url.hash;
}

/** The path of an address, without what hosts add. */
function plainPath(address: string): string {
  return new URL(address, location.href).pathname.replace(/(?:index)?(?:\.html?)?\/*$/, "");
}

/** Requests the tokens of a response: OpenID Connect Core 1.0, section 3.1.2.5 and on. */
async function redeem(
  { channel, options: { clientId, redirectUri } }: ServerContext,
  server: oauth.AuthorizationServer,
  callback: URLSearchParams,
  attempt: SignInAttempt,
  signal: AbortSignal,
): Promise<Session> {
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
  const { subject, ...tokens } = await requestTokens(
    channel,
    what,
    signal,
    (http) =>
      oauth.authorizationCodeGrantRequest(
        server,
        client,
        oauth.None(),
        parameters,
        redirectUri,
        attempt.codeVerifier,
        http,
      ),
    async (response, requestedAtMs) =>
      oauth.processAuthorizationCodeResponse(
        server,
        await clientFor(clientId, response, requestedAtMs),
        response,
        own({
          expectedNonce: attempt.nonce,
          requireIdToken: true,
          ...(attempt.maxAge !== undefined && { maxAge: attempt.maxAge }),
        }),
      ),
  );
  // Every ID token has a subject.
  return { ...tokens, subject: `${subject}`, mark: attempt.mark };
}

/** This text comes from the address, which anyone can write: it is shown, and decides nothing. */
function declined({ step, endpoint }: Exchange, error: string, description: string | undefined) {
  const isCancelled = error === "access_denied";
  return new TokenError(
    `${step} at ${endpoint} was rejected: ${oauthErrorText({ error, description })}${isCancelled ? ". Usual cause: the user chose not to sign in" : ""}`,
    "unauthenticated",
    { oauthError: foreignText(error), reason: isCancelled ? "cancelled" : undefined },
  );
}
