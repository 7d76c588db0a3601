import type { Code } from "@connectrpc/connect";

// `instanceof ConnectError` checks these fields, so that several copies of Connect in one program work
// together. Connect's own class would bring the protobuf runtime into every page that only signs in.

/**
 * Why `handleCallback` did not finish a sign-in. In each case `start()` begins another one.
 *
 * - `"cancelled"`: the user chose not to sign in, at the login page.
 * - `"no-such-sign-in"`: the response belongs to no sign-in that this tab has started within the last hour, or
 *   it was used before: a link was opened in another tab, or again.
 * - `"signed-out"`: the user signed out, here or in another tab, while the sign-in was in progress.
 */
export type SignInFailure = "cancelled" | "no-such-sign-in" | "signed-out";

/** Of Connect, whose own list would bring its names into every page. */
const codes = {
  canceled: 1,
  deadline_exceeded: 4,
  failed_precondition: 9,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} satisfies Record<string, Code>;
export type CodeName = keyof typeof codes;

interface TokenErrorDetails {
  readonly cause?: unknown;
  readonly oauthError?: string | undefined;
  readonly reason?: SignInFailure | undefined;
}

/**
 * The error of a token source or a sign-in: a `ConnectError` with the authorization server's OAuth error. Its
 * message holds no secret.
 */
export class TokenError extends Error {
  override readonly name = "ConnectError";
  readonly code: Code;
  readonly rawMessage: string;
  readonly metadata: Headers = new Headers();
  readonly details: never[] = [];
  override readonly cause: unknown;
  /**
   * The `error` of an OAuth error response, such as `invalid_grant` of the token endpoint (RFC 6749,
   * section 5.2), or `access_denied`, `login_required` and `interaction_required` of a sign-in (OpenID
   * Connect Core 1.0, section 3.1.2.6); undefined for any other failure.
   */
  readonly oauthError: string | undefined;
  /** Why a sign-in was not finished, where a page has something to offer; undefined for any other failure. */
  readonly reason: SignInFailure | undefined;

  constructor(message: string, code: CodeName, details: TokenErrorDetails = {}) {
    super(`[${code}] ${message}`);
    this.rawMessage = message;
    this.code = codes[code];
    this.cause = details.cause;
    this.oauthError = details.oauthError;
    this.reason = details.reason;
  }

  /** For compatibility with `ConnectError`; an authorization server attaches no details. */
  findDetails(): never[] {
    return [];
  }
}

/**
 * Whether an error comes from a token source or a sign-in of this package, or from a call that failed because
 * it got no token. Its `oauthError` is then the authorization server's error code, if there is one.
 *
 * @param error anything that was thrown.
 * @returns true for a `TokenError`, whichever copy of this package made it.
 * @throws nothing.
 * @example
 * ```ts
 * import { isTokenError } from "zitadel-user-grants/auth";
 *
 * const isCancelled = (error: unknown) => isTokenError(error) && error.reason === "cancelled";
 * ```
 */
export function isTokenError(error: unknown): error is TokenError {
  return error instanceof Error && error.name === "ConnectError" && "oauthError" in error;
}

/**
 * The error for a caller that leaves: its deadline passed, or its signal was aborted.
 *
 * @param why the reason of the wait, if it is known.
 */
export function aborted(signal: AbortSignal, why: TokenError | undefined): Error {
  const { reason } = signal;
  const isError = reason instanceof Error;
  if (isError && reason.name === "ConnectError") {
    // A call's own, which has settled.
    return reason;
  }
  const [what, code]: [string, CodeName] =
    isError && reason.name === "TimeoutError"
      ? ["no token within the time given", "deadline_exceeded"]
      : ["the caller aborted while waiting for a token", "canceled"];
  const { rawMessage, oauthError } = why ?? {};
  return new TokenError(rawMessage ? `${what}: ${rawMessage}` : what, code, {
    cause: reason,
    oauthError,
  });
}

/** The same error for another call, with what it should know. */
export function withNote(error: TokenError, note: string): TokenError {
  const { message, rawMessage, oauthError } = error;
  const code = message.slice(1, message.indexOf("]")) as CodeName;
  return new TokenError(rawMessage + note, code, { cause: error, oauthError });
}

/** A request that failed: the error to report, and whether another attempt may succeed. */
export class AttemptFailure extends Error {
  readonly error: TokenError;
  /** How many attempts may fail so before the error is final: 1 for a rejection, infinite for an outage. */
  readonly maxAttempts: number;
  /** The delay that the server requests before the next attempt; 0 if it requests no delay. */
  readonly retryAfterMs: number;

  constructor(error: TokenError, maxAttempts: number, retryAfterMs = 0) {
    super(error.message);
    this.error = error;
    this.maxAttempts = maxAttempts;
    this.retryAfterMs = retryAfterMs;
  }
}
