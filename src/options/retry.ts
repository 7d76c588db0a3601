import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";

/**
 * How calls that failed transiently are retried: the retry design of gRPC
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with its names. Unary calls only.
 *
 * Idempotent methods are retried: `DeactivateUserGrant`, methods that declare an `idempotency_level`, and
 * those in `idempotentMethods`. Any other method, `BulkRemoveUserGrant` included, is retried only while
 * `mayHaveBeenApplied` is false for what has failed: if only a response was lost, a second removal would
 * report `NotFound` for a grant that the first one removed.
 *
 * After a lost response, a retried deactivation gets OK from ZITADEL v4 and later. Earlier versions
 * respond with `FailedPrecondition`, which `isGrantInactive` recognizes: the grant is inactive, because
 * of this call or of another.
 */
export interface RetryOptions {
  /** The maximum number of attempts of a call, the first included, 1 to 100. Default 5. */
  maxAttempts?: number | undefined;
  /** Milliseconds before the second attempt, with 20 % jitter, 1 to 2147483647. Default 200. */
  initialBackoffMs?: number | undefined;
  /** The maximum of milliseconds between two attempts, with 20 % jitter, 1 to 2147483647. Default 5000. */
  maxBackoffMs?: number | undefined;
  /** The factor by which the backoff grows with each attempt, 1 to 100. Default 2. */
  backoffMultiplier?: number | undefined;
  /** The codes on which a call is retried. Default `[Code.Unavailable]`. */
  retryableStatusCodes?: Code[] | undefined;
  /** More methods that are safe to execute twice. Default: no other methods. */
  idempotentMethods?: DescMethod[] | undefined;
  /**
   * The longest wait in milliseconds that the server may request, by `grpc-retry-pushback-ms` or
   * `Retry-After`, 0 to 2147483647. Default 60000 (1 min). A call that would wait longer fails at once.
   */
  maxRetryAfterMs?: number | undefined;
  /**
   * The retry budget of the whole client, 1 to 1000. Each failed attempt takes 1 token; once half of them
   * are gone, nothing is retried, so that a struggling server is not flooded. Default 10.
   */
  maxTokens?: number | undefined;
  /** The tokens that each successful call returns to the budget, 0.001 to 1000. Default 0.1. */
  tokenRatio?: number | undefined;
}
