import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";

/**
 * How calls that failed for a passing reason are made again: the retry design of gRPC
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with its names. Unary calls only.
 *
 * Repeated are only methods that can be: `DeactivateUserGrant`, methods that declare an
 * `idempotency_level`, and those of `idempotentMethods`. Any other one, `BulkRemoveUserGrant` among
 * them, is repeated only where the failed attempt provably did not reach the server: when its answer
 * was merely lost, a second removal would say `NotFound` of a grant that the first one removed.
 *
 * When the answer to a deactivation was lost, the repeated one is answered OK by servers of 2026. Older
 * ones answer `FailedPrecondition`, which `isGrantInactive` tells: the grant is inactive, by this call
 * or by somebody else.
 */
export interface RetryOptions {
  /** Most attempts of a call, the first one included, 1 to 100. Default 5. */
  maxAttempts?: number | undefined;
  /** Milliseconds before the second attempt, give or take a fifth, 1 to 2147483647. Default 200. */
  initialBackoffMs?: number | undefined;
  /** Most milliseconds between two attempts, give or take a fifth, 1 to 2147483647. Default 5000. */
  maxBackoffMs?: number | undefined;
  /** What the wait grows by with each attempt, 1 to 100. Default 2. */
  backoffMultiplier?: number | undefined;
  /** Codes that a call is repeated on. Default `[Code.Unavailable]`. */
  retryableStatusCodes?: Code[] | undefined;
  /** Methods that do no harm when they are carried out twice. Default none beyond the above. */
  idempotentMethods?: DescMethod[] | undefined;
  /**
   * Most milliseconds that the server may ask to wait, by `grpc-retry-pushback-ms` or `Retry-After`,
   * 0 to 2147483647. Default 60000 (1 min). A call that shall wait longer fails at once.
   */
  maxRetryAfterMs?: number | undefined;
  /**
   * The budget of the whole client, 1 to 1000. Each failed attempt takes 1 of it; with half of it gone
   * nothing is repeated, so that a server in trouble is not flooded. Default 10.
   */
  maxTokens?: number | undefined;
  /** What each successful call gives back to the budget, 0.001 to 1000. Default 0.1. */
  tokenRatio?: number | undefined;
}
