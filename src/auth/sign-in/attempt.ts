import { Code } from "@connectrpc/connect";
import { tokenError } from "../tokens/token-error.js";
import { returnAddress } from "./return-address.js";

/** What is stored about a sign-in while the user is at the login page. */
export interface SignInAttempt {
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Where the user was, relative to the origin. */
  readonly returnTo: string;
  readonly startedAtMs: number;
}

/** Prefix of each `state` of this package: a page may use a parameter of this name itself. */
const statePrefix = "zitadel-user-grants-";

export function makeState(random: string): string {
  return statePrefix + random;
}

export function isOwnState(state: string | null): state is string {
  return state?.startsWith(statePrefix) === true;
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
  const prefix = nameOf(key, "");
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(prefix) && !isRecent(read(name), attempt.startedAtMs)) {
        sessionStorage.removeItem(name);
      }
    }
    sessionStorage.setItem(nameOf(key, state), JSON.stringify(attempt));
  } catch (cause) {
    throw tokenError(
      "sessionStorage is full, or the browser's settings block it: a sign-in is kept there while the user is at the login page",
      Code.FailedPrecondition,
      { cause },
    );
  }
}

/** Returns the sign-in with this state, once. */
export function takeAttempt(key: string, state: string, nowMs: number): SignInAttempt | undefined {
  const name = nameOf(key, state);
  const attempt = read(name);
  if (attempt !== undefined) {
    sessionStorage.removeItem(name);
  }
  return isRecent(attempt, nowMs) ? attempt : undefined;
}

function nameOf(key: string, state: string): string {
  return `${key}:state:${state}`;
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
