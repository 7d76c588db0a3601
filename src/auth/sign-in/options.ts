import type { Check, Checks } from "../../options/checker.js";
import type { TokenSource } from "../../options/token-source.js";
import { type CommonTokenOptions, commonChecks, isSecure, text } from "../endpoint/options.js";

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
  /** More parameters of the authorization request: `prompt`, `login_hint`, `ui_locales`, … */
  parameters?: Readonly<Record<string, string>> | undefined;
}

/** What a finished sign-in has. */
export interface SignInResult {
  /** Where the person was, relative to the origin. The page's address says so already. */
  returnTo: string;
  /** The person's id. */
  userId: string;
}

/** A session in a web page: start it, finish it, end it, and get its tokens. */
export interface SignIn {
  /**
   * Goes to ZITADEL's login page. The promise resolves when the browser has been told to go.
   *
   * @throws TypeError for a `returnTo` on another origin; as a call's error when ZITADEL cannot be reached.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Ends the sign-in where the page's address is ZITADEL's answer, and does nothing anywhere else: call
   * it when a page has loaded. The answer is taken from the address at once, which becomes the one where
   * the person was. Calling it twice does the same as once.
   *
   * @param url the answer, where it is not in the page's address.
   * @returns undefined where there is no answer to handle.
   * @throws `Unauthenticated` when the person or ZITADEL declined, when the answer belongs to no sign-in
   * of this tab, or when it is not what the protocol says; `Unavailable` when ZITADEL cannot be reached.
   */
  handleCallback(url?: string): Promise<SignInResult | undefined>;
  /**
   * Forgets the tokens in all tabs, revokes them, and goes to ZITADEL to end the session there.
   *
   * @throws as a call's error when ZITADEL cannot be reached; the tokens are forgotten all the same.
   */
  signOut(): Promise<void>;
  /** Whether there is a token, or a way to get one, as far as this page knows. */
  readonly signedIn: boolean;
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
