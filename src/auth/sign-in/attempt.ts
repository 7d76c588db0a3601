import { tokenError } from "../token-error.js";
import { attemptName, statePrefix, withoutResponse } from "./callback.js";

/** What is stored about a sign-in while the user is at the login page. */
export interface SignInAttempt {
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

/**
 * Records a sign-in that this tab starts. It is stored in `sessionStorage` whatever the option `storage` is:
 * the page is unloaded meanwhile.
 *
 * @throws what `tokenError` makes when the browser does not allow it.
 */
export function putAttempt(key: string, state: string, attempt: SignInAttempt): void {
  const prefix = attemptName(key, "");
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(prefix) && !isRecent(read(name), attempt.startedAtMs)) {
        sessionStorage.removeItem(name);
      }
    }
    sessionStorage.setItem(attemptName(key, state), JSON.stringify(attempt));
  } catch (cause) {
    throw tokenError(
      "sessionStorage is full, or the browser's settings block it: a sign-in is kept there meanwhile",
      "failed_precondition",
      { cause },
    );
  }
}

/** Returns the sign-in with this state, once. */
export function takeAttempt(key: string, state: string, nowMs: number): SignInAttempt | undefined {
  const name = attemptName(key, state);
  const attempt = read(name);
  if (attempt !== undefined) {
    sessionStorage.removeItem(name);
  }
  return isRecent(attempt, nowMs) ? attempt : undefined;
}

function read(name: string): SignInAttempt | undefined {
  try {
    const attempt = JSON.parse(sessionStorage.getItem(name) ?? "");
    return { ...attempt, returnTo: returnAddress(attempt.returnTo, location.origin) };
  } catch {
    return undefined;
  }
}

function isRecent(attempt: SignInAttempt | undefined, nowMs: number): attempt is SignInAttempt {
  return attempt !== undefined && nowMs - attempt.startedAtMs < maxAgeMs;
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
