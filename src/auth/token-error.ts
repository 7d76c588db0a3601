import { Code } from "@connectrpc/connect";

// `instanceof ConnectError` checks these fields, so that several copies of Connect in one program work
// together. Connect's own class would bring the protobuf runtime into every page that only signs in.

/** The error of a token source or a sign-in: a `ConnectError` with the authorization server's OAuth error. */
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

  constructor(message: string, code: Code, cause: unknown, oauthError: string | undefined) {
    super(`[${snakeCase(Code[code])}] ${message}`);
    this.rawMessage = message;
    this.code = code;
    this.cause = cause;
    this.oauthError = oauthError;
  }

  /** For compatibility with `ConnectError`; an authorization server attaches no details. */
  findDetails(): never[] {
    return [];
  }
}

/** Creates the error of a token source, which callers see as a `ConnectError`. It must hold no secret. */
export function tokenError(
  message: string,
  code: Code,
  details: { cause?: unknown; oauthError?: string | undefined } = {},
): TokenError {
  return new TokenError(message, code, details.cause, details.oauthError);
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
 * import { isTokenError, signIn } from "zitadel-user-grants/auth";
 *
 * const auth = signIn({
 *   issuer: "https://example.zitadel.cloud",
 *   clientId: "312909075211944738@portal",
 *   redirectUri: `${location.origin}/`,
 * });
 * try {
 *   await auth.handleCallback();
 * } catch (error) {
 *   if (isTokenError(error) && error.oauthError === "interaction_required") await auth.start();
 *   else throw error;
 * }
 * ```
 */
export function isTokenError(error: unknown): error is TokenError {
  return error instanceof Error && error.name === "ConnectError" && "oauthError" in error;
}

/**
 * The error for a caller that leaves: its deadline passed, or its signal was aborted. The reason is the
 * caller's own.
 */
export function aborted(signal: AbortSignal): Error {
  const { reason } = signal;
  if (reason instanceof Error) {
    if (reason.name === "ConnectError") {
      return reason;
    }
    if (reason.name === "TimeoutError") {
      return tokenError("no token within the time given", Code.DeadlineExceeded, { cause: reason });
    }
  }
  return tokenError("the caller aborted while waiting for a token", Code.Canceled, {
    cause: reason,
  });
}

/** A transient failure: the same request may succeed later. */
export class TransientFailure extends Error {
  readonly error: Error;
  /** The delay that the server requests before the next attempt; 0 if it requests no delay. */
  readonly retryAfterMs: number;

  constructor(error: Error, retryAfterMs = 0) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

function snakeCase(name: string | undefined): string {
  return (name ?? "").replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}
