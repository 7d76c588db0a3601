import { Code } from "@connectrpc/connect";

// `instanceof ConnectError` goes by these fields, so that several copies of Connect in one program get
// along. Connect's own class would bring the protobuf runtime into every page that only signs in.

/** The error of a token source or a sign-in: a `ConnectError`, with what the authorization server said. */
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

  /** As of a `ConnectError`; an authorization server attaches no details. */
  findDetails(): never[] {
    return [];
  }
}

/** Makes the error of a token source: to a call it is a `ConnectError`. It must hold no secret. */
export function tokenError(
  message: string,
  code: Code,
  details: { cause?: unknown; oauthError?: string | undefined } = {},
): TokenError {
  return new TokenError(message, code, details.cause, details.oauthError);
}

/**
 * Whether an error comes from a token source or a sign-in of this package, or from a call that got no token
 * for such a reason. Its `oauthError` then tells what the authorization server called it.
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

/** What a caller gets who leaves: its deadline passed, or it aborted. The reason is its own. */
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

/** A failure that may pass: the same request may succeed later. */
export class TransientFailure extends Error {
  readonly error: Error;
  /** What the server asks to wait before the next attempt; 0 where it does not. */
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
