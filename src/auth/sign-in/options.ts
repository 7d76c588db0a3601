import { type Check, type Checks, isObject, oneOf, text } from "../../options/checker.js";
import type { TokenSource } from "../../options/options.js";
import { type CommonTokenOptions, commonChecks, isSecure } from "../options.js";
import type { SignedInUser, SignInChange } from "./session.js";

/** The options of `signIn`. */
export interface SignInOptions extends CommonTokenOptions {
  /** The client id of an application registered in ZITADEL as user agent, with PKCE. It has no secret. */
  clientId: string;
  /** Where ZITADEL sends users back to: on the page's own origin, exactly as registered. */
  redirectUri: string;
  /** Where ZITADEL sends users after `signOut`, exactly as registered. Default: ZITADEL's own page. */
  postLogoutRedirectUri?: string | undefined;
  /**
   * Where tokens are kept. In every case, a script that runs in the page can use the session; the difference
   * is what it, or a later user of the machine, can copy.
   *
   * - `"memory"` (default): lost when the page is unloaded. Each tab signs in separately, and again after a
   *   reload.
   * - `"sessionStorage"`: survives reloads of the tab. A duplicated tab has a copy, and only one of the two can
   *   renew it.
   * - `"localStorage"`: all tabs share one session, and it outlives the browser.
   */
  storage?: "memory" | "sessionStorage" | "localStorage" | undefined;
}

/** The options of `start`. */
export interface StartOptions {
  /** Where to be after sign-in: on the page's own origin. Default: the page's address. */
  returnTo?: string | undefined;
  /**
   * Scopes for this sign-in in addition to those of `signIn`: `urn:zitadel:iam:org:id:{id}` shows the login
   * page of one organization, and admits only its users. Default: no scopes.
   */
  scopes?: readonly string[] | undefined;
  /**
   * More parameters of the authorization request (OpenID Connect Core 1.0, section 3.1.2.1): `prompt`,
   * `login_hint`, `ui_locales`, …. Those that `signIn` sets itself (`client_id`, `redirect_uri`,
   * `response_type`, `scope`, `state`, `nonce`, `code_challenge`, `code_challenge_method`), and those that
   * would change them or where the response is (`request`, `request_uri`, `response_mode`), are rejected.
   */
  parameters?: Readonly<Record<string, string>> | undefined;
}

/** The result of a finished sign-in. */
export interface SignInResult {
  /**
   * Where the user was, relative to the origin: a path that begins with one slash. The page's address has
   * already been restored to it.
   */
  returnTo: string;
  /** The user's id. */
  userId: string;
}

/** A session in a web page: starts, finishes and ends it, and provides its tokens. */
export interface SignIn {
  /**
   * Redirects to ZITADEL's login page. The promise resolves when the navigation has started.
   *
   * @throws TypeError for an option that is not allowed, such as a `returnTo` on another origin, or where
   * the page is not served over https; a `TokenError` with `Unavailable` when ZITADEL cannot be reached,
   * with `FailedPrecondition` when `sessionStorage` is full or blocked, with `Unauthenticated` when `issuer`
   * has no login page.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Finishes a sign-in when ZITADEL has sent the user back to the page, and does nothing on any other
   * address, whatever parameters it has: call it on every page load. It removes the OAuth parameters from
   * the address at once, in every outcome, and restores the address where the user was. The response is
   * recognized by its `state` on any path of the origin, since hosts rewrite addresses. A second call gives
   * what the first one gave, until `signOut()`.
   *
   * @param url the address that ZITADEL sent the user to, with or without the origin. Default: the page's.
   * @returns undefined when there is no response to handle.
   * @throws a `TokenError` with `Unauthenticated` when the user or ZITADEL declined (`oauthError` is
   * `access_denied`, `login_required`, `interaction_required`, …), when the response belongs to no sign-in of
   * this tab, when it violates the protocol, or when the user signed out meanwhile: its `reason` tells the
   * cases apart in which a page offers to try again; `Unavailable` when ZITADEL cannot be reached.
   */
  handleCallback(url?: string): Promise<SignInResult | undefined>;
  /**
   * Signs out in all tabs of this application, revokes the tokens, and redirects to ZITADEL to end the
   * session there. A tab that runs no script meanwhile is signed out when it runs again, and a sign-in that is
   * in progress is void.
   *
   * @throws a `TokenError` with `Unavailable` when ZITADEL cannot be reached, or has not revoked the tokens
   * within 3 s: then the page is not left, and `signOut()` can be called again. Even so, the tokens are removed
   * from this page and all tabs, and the revocation is retried.
   */
  signOut(): Promise<void>;
  /**
   * How many refresh tokens of sessions that are over are not revoked yet: of a signed-out session, or of one
   * that another sign-in has replaced. A revocation that fails is retried while the page is open, and, where
   * `storage` survives a reload, when it is opened again.
   */
  readonly pendingRevocations: number;
  /** Whether there is a token, or a way to get one, as far as this page knows. */
  readonly signedIn: boolean;
  /**
   * The signed-in user: the claims of the ID token. They survive a reload, and are updated by a refresh that
   * returns an ID token. With `onChange` it fits React's `useSyncExternalStore`.
   *
   * @returns the same object until it changes; undefined when no user is signed in, or when the session has ended.
   */
  user(): SignedInUser | undefined;
  /**
   * Calls back when a user signs in or out, when another user signs in, and when the session ends: in this
   * tab, and for `storage: "localStorage"` in any tab. Changes that happened before the first listener are
   * reported once it is added.
   *
   * A page without a listener never continues as another user: when another user signs in in another tab, its
   * calls fail with `Unauthenticated` until it is reloaded.
   *
   * @param listener an error that it throws is reported to `window` and has no other effect.
   * @returns a function that removes the listener.
   */
  onChange(listener: (change: SignInChange) => void): () => void;
  /**
   * For the option `token` of a client. It rejects with `Unauthenticated` when the user has to sign in
   * (again).
   */
  readonly token: TokenSource;
  /**
   * Ends what this object does in the background: it no longer hears other tabs, calls no listener and
   * retries no revocation. The session stays where it is. For tests, and for pages that replace it by another
   * one.
   */
  close(): void;
}

const secureUrl: Check = [
  "an absolute https URL (http on this machine alone), as registered with ZITADEL",
  (value) => typeof value === "string" && URL.canParse(value) && isSecure(new URL(value)),
];

export const signInChecks: Checks<SignInOptions> = {
  ...commonChecks,
  clientId: text,
  redirectUri: secureUrl,
  postLogoutRedirectUri: secureUrl,
  storage: oneOf(["memory", "sessionStorage", "localStorage"]),
};

/**
 * Parameters that the request is made of: overriding one of them would undo the protection of the sign-in.
 */
const ownParameters =
  /^(?:client_id|redirect_uri|response_(?:type|mode)|scope|state|nonce|code_challenge(?:_method)?|request(?:_uri)?)$/;

export const startChecks: Checks<StartOptions> = {
  returnTo: ["a URL, absolute or relative to the page", (value) => typeof value === "string"],
  scopes: commonChecks.scopes,
  parameters: [
    "an object of strings, without those that signIn sets itself; max_age in whole seconds",
    (value) =>
      isObject(value) &&
      Object.entries(value).every(
        ([name, one]) =>
          typeof one === "string" &&
          !ownParameters.test(name) &&
          (name !== "max_age" || /^\d{1,9}$/.test(one)),
      ),
  ],
};
