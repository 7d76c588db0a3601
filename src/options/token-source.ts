/** What a transport tells a token source when it asks for a token. */
export interface TokenRequest {
  /** The token that the server has just answered UNAUTHENTICATED to: do not return it again. */
  readonly refused?: string | undefined;
  /** Aborted when the call that needs the token ends: at its deadline, or when its caller leaves. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the bearer token for a call, without the word `Bearer`.
 *
 * It is asked before each RPC, so it should keep its token until shortly before the token expires.
 * After UNAUTHENTICATED it is asked once more with the refused token; when it then returns another
 * one, a unary call is made once more with that, in the time that is left.
 *
 * A `ConnectError` that it throws is the call's error; anything else becomes `Unauthenticated`.
 */
export type TokenSource = (request?: TokenRequest) => string | Promise<string>;
