import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ContextKey } from "@connectrpc/connect";
import { type Environment, exponential, platform, readPushbackMs, sleep } from "../common/time.js";
import { asConnectError } from "../errors/certainty.js";
import type { RetryOptions } from "../options/options.js";
import type { Attempt, Send } from "../transports/call/attempt.js";

/**
 * Whether the client may retry a call by itself. Code that retries its own calls, and must know about each
 * attempt, sets it to false in the call's `contextValues`. The id is registered, so that two installed copies of
 * the package share it.
 */
export const retrySwitch: ContextKey<boolean> = {
  id: Symbol.for("zitadel-user-grants.retry"),
  defaultValue: true,
};

/** Idempotent, although its annotation does not say so. */
const deactivation = "zitadel.management.v1.ManagementService/DeactivateUserGrant";

/**
 * Makes several attempts, as `RetryOptions` describes
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md). If the next attempt would start after
 * the call's deadline, the call fails at once with the last error.
 *
 * @param send an attempt with credentials: each calls the token source, since a token may expire meanwhile.
 */
export function createRetry(
  options: RetryOptions,
  environment: Environment = platform,
): (send: Send) => Send {
  const {
    maxAttempts = 5,
    initialBackoffMs = 200,
    maxBackoffMs = 5_000,
    backoffMultiplier = 2,
    retryableStatusCodes = [Code.Unavailable],
    idempotentMethods = [],
    maxRetryAfterMs = 60_000,
    maxTokens = 10,
    tokenRatio = 0.1,
  } = options;
  const backoff = { firstMs: initialBackoffMs, maxMs: maxBackoffMs, factor: backoffMultiplier };
  const repeatable = new Set([deactivation, ...idempotentMethods.map(fullName)]);
  let tokens = maxTokens;
  const succeeded = <R>(response: R): R => {
    tokens = Math.min(maxTokens, tokens + tokenRatio);
    return response;
  };

  return (send) => {
    const retried = async (attempt: Attempt, failure: unknown) => {
      const { call, method } = attempt;
      let reason = failure;
      let round = 1;
      for (let count = 1; ; count++) {
        const error = asConnectError(reason);
        const askedMs = readPushbackMs(error.metadata, environment.wallMs());
        const retryable = retryableStatusCodes.includes(error.code);
        if (retryable || askedMs === Number.POSITIVE_INFINITY) {
          tokens = Math.max(0, tokens - 1);
        }
        const waitMs = askedMs ?? exponential(environment, backoff, round);
        if (
          call.ended ||
          !retryable ||
          count >= maxAttempts ||
          tokens <= maxTokens / 2 ||
          waitMs >= (call.remainingMs() ?? Number.POSITIVE_INFINITY) ||
          (askedMs ?? 0) > maxRetryAfterMs ||
          (call.outcome.mayHaveBeenApplied &&
            // Unknown, as opposed to NO_SIDE_EFFECTS and IDEMPOTENT.
            method.idempotency === 0 &&
            !repeatable.has(fullName(method)))
        ) {
          throw reason;
        }
        round = askedMs === undefined ? round + 1 : 1;
        await call.waitFor(sleep(environment, waitMs, call.signal));
        try {
          return succeeded(await send(attempt));
        } catch (again) {
          reason = again;
        }
      }
    };
    // A single reaction to the first attempt if it succeeds, as nearly all do.
    return (attempt) =>
      attempt.contextValues.get(retrySwitch)
        ? send(attempt).then(succeeded, (reason) => retried(attempt, reason))
        : send(attempt);
  };
}

/** By name: a program may contain the same method generated twice. */
function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
