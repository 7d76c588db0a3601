/** The argument of a token source. */
export interface TokenRequest {
  /** The token that the server has just rejected with UNAUTHENTICATED: do not return it again. */
  readonly refused?: string | undefined;
  /** Aborted when the call that needs the token settles: at its deadline, or when the caller aborts it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the bearer token for a call, without the word `Bearer`.
 *
 * It is called before each RPC, so it should cache its token until shortly before the token expires. If
 * the server rejects a token with UNAUTHENTICATED, the source is called again with the rejected token; if
 * it returns a different one, a unary call is retried once with it, within the time that is left.
 *
 * A `ConnectError` that it throws becomes the call's error; anything else becomes `Unauthenticated`.
 */
export type TokenSource = (request?: TokenRequest) => string | Promise<string>;
