import { type Check, type Checks, isObject } from "../../options/checker.js";
import type { TokenSource } from "../../options/token-source.js";
import { type CommonTokenOptions, commonChecks, isSecure, text } from "../endpoint/options.js";
import type { SignInChange } from "./changes.js";
import type { SignedInUser } from "./user.js";

/** What `signIn` takes. */
export interface SignInOptions extends CommonTokenOptions {
  /** Of an application registered with ZITADEL as user agent, with PKCE. It has no secret. */
  clientId: string;
  /** Where ZITADEL sends people back to: on the page's own origin, exactly as registered. */
  redirectUri: string;
  /** Where ZITADEL sends people after `signOut`, exactly as registered. Default: ZITADEL's own page. */
  postLogoutRedirectUri?: string | undefined;
  /**
   * Where tokens are kept. Whatever script runs in the page can use the session in either case; the
   * difference is what it, and whoever sits at the machine later, can take away.
   *
   * - `"memory"` (default): gone with the page. Each tab signs in for itself, and again after a reload.
   * - `"sessionStorage"`: survives reloads of the tab. A duplicated tab gets a copy.
   * - `"localStorage"`: all tabs share one session, and it outlives the browser.
   */
  storage?: "memory" | "sessionStorage" | "localStorage" | undefined;
}

/** What `start` takes. */
export interface StartOptions {
  /** Where to be after sign-in: on the page's own origin. Default: the page's address. */
  returnTo?: string | undefined;
  /**
   * Scopes for this sign-in beside those of `signIn`: `urn:zitadel:iam:org:id:{id}` shows the login page
   * of one organization, and lets nobody else in. Default: none.
   */
  scopes?: readonly string[] | undefined;
  /**
   * More parameters of the authorization request (OpenID Connect Core 1.0, section 3.1.2.1): `prompt`,
   * `login_hint`, `ui_locales`, …. Those that `signIn` sets itself (`client_id`, `redirect_uri`,
   * `response_type`, `scope`, `state`, `nonce`, `code_challenge`, `code_challenge_method`) are rejected.
   */
  parameters?: Readonly<Record<string, string>> | undefined;
}

/** What a finished sign-in has. */
export interface SignInResult {
  /**
   * Where the user was, relative to the origin: a path that begins with one slash. The page's address says
   * so already.
   */
  returnTo: string;
  /** The user's id. */
  userId: string;
}

/** A session in a web page: start it, finish it, end it, and get its tokens. */
export interface SignIn {
  /**
   * Goes to ZITADEL's login page. The promise resolves when the browser has been told to go.
   *
   * @throws TypeError for an option that is not allowed, such as a `returnTo` on another origin, or where
   * the page is not served over https; a `TokenError` with `Unavailable` when ZITADEL cannot be reached.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Finishes a sign-in when ZITADEL has sent the user back to the page, and does nothing on any other
   * address, whatever parameters it has: call it on every page load. It removes the OAuth parameters from
   * the address at once, in every outcome, and restores the address where the user was. A second call does
   * the same as the first.
   *
   * @param url the address that ZITADEL sent the user to. Default: the page's.
   * @returns undefined where there is no response to handle.
   * @throws a `TokenError` with `Unauthenticated` when the user or ZITADEL declined (`oauthError` is
   * `access_denied`, `login_required`, `interaction_required`, …), when the response belongs to no sign-in
   * of this tab, when it is not what the protocol allows, or when somebody signed out meanwhile;
   * `Unavailable` when ZITADEL cannot be reached.
   */
  handleCallback(url?: string): Promise<SignInResult | undefined>;
  /**
   * Signs out in all tabs of this application, revokes the tokens, and goes to ZITADEL to end the session
   * there.
   *
   * @throws a `TokenError` with `Unavailable` when ZITADEL cannot be reached; the tokens are gone from this
   * page and all tabs all the same.
   */
  signOut(): Promise<void>;
  /** Whether there is a token, or a way to get one, as far as this page knows. */
  readonly signedIn: boolean;
  /**
   * Who is signed in: the claims of the ID token. The page gets the same after a reload, and newer claims
   * after a refresh that has some.
   *
   * @returns undefined when nobody is, or when the session has ended.
   */
  user(): SignedInUser | undefined;
  /**
   * Calls back when a user signs in or out, when another user signs in, and when the session ends: in this
   * tab, and for `storage: "localStorage"` in any tab. What an earlier change came to is told once a
   * listener is there.
   *
   * A page without a listener never goes on as somebody else: when another user signs in in another tab,
   * its calls fail as `Unauthenticated` until it is reloaded.
   *
   * @param listener what it throws is reported to `window`, and goes no further.
   * @returns a function that removes the listener.
   */
  onChange(listener: (change: SignInChange) => void): () => void;
  /** For the option `token` of a client. `Unauthenticated` when somebody has to sign in (again). */
  readonly token: TokenSource;
}

const secureUrl: Check = [
  "an absolute https URL (http on this machine alone), as registered with ZITADEL",
  (value) => typeof value === "string" && URL.canParse(value) && isSecure(new URL(value)),
];

const storages: readonly unknown[] = ["memory", "sessionStorage", "localStorage"];

export const signInChecks: Checks<SignInOptions> = {
  ...commonChecks,
  clientId: text,
  redirectUri: secureUrl,
  postLogoutRedirectUri: secureUrl,
  storage: ['"memory", "sessionStorage" or "localStorage"', (value) => storages.includes(value)],
};

/** What the request is made of: a caller who sets one of them would undo what protects the sign-in. */
const ownParameters =
  /^(?:client_id|redirect_uri|response_type|scope|state|nonce|code_challenge(?:_method)?)$/;

export const startChecks: Checks<StartOptions> = {
  returnTo: ["a URL, absolute or relative to the page", (value) => typeof value === "string"],
  scopes: commonChecks.scopes,
  parameters: [
    "an object of strings, without those that signIn sets itself; scopes go into the option scopes",
    (value) =>
      isObject(value) &&
      Object.entries(value).every(
        ([name, one]) => typeof one === "string" && !ownParameters.test(name),
      ),
  ],
};
