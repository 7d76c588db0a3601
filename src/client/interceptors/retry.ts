import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type UnaryRequest } from "@connectrpc/connect";
import { type Environment, platform, sleep } from "../../common/environment.js";
import { readPushbackMs } from "../../common/retry-after.js";
import type { Signal } from "../../common/shared-signal.js";
import { notProcessed } from "../../errors/not-processed.js";
import type { RetryOptions } from "../../options/retry.js";
import { withoutCopies } from "../../transports/call/apply-interceptors.js";
import { remainingMs } from "../../transports/call/deadline.js";
import { retrySwitch } from "./retry-switch.js";

/**
 * Retries unary calls as `RetryOptions` describes
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md). If the next attempt would start after
 * the call's deadline, the call fails at once with the last error.
 *
 * Runs outside the metadata interceptor: each attempt calls the token source, since a token may expire while
 * a call waits.
 *
 * @param closed aborted when the client is closed: no call waits for its next attempt any longer.
 */
export function createRetryInterceptor(
  options: RetryOptions,
  environment: Environment = platform,
  closed?: Signal,
): Interceptor {
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
  const repeatable = new Set(idempotentMethods.map(fullName));
  let tokens = maxTokens;
  const succeeded = <R>(response: R): R => {
    tokens = Math.min(maxTokens, tokens + tokenRatio);
    return response;
  };

  return withoutCopies((next) => {
    const retried = async (request: UnaryRequest, failure: unknown) => {
      let reason = failure;
      let backoffMs = initialBackoffMs;
      for (let attempt = 1; ; attempt++) {
        const error = ConnectError.from(reason);
        const { signal } = request;
        const askedMs = readPushbackMs(error.metadata, environment.wallMs());
        const retryable = retryableStatusCodes.includes(error.code);
        if (retryable || askedMs === Number.POSITIVE_INFINITY) {
          tokens = Math.max(0, tokens - 1);
        }
        const waitMs =
          askedMs ?? Math.min(backoffMs, maxBackoffMs) * (0.8 + 0.4 * environment.random());
        if (
          !retryable ||
          attempt >= maxAttempts ||
          tokens <= maxTokens / 2 ||
          waitMs >= (remainingMs(signal) ?? Number.POSITIVE_INFINITY) ||
          (askedMs ?? 0) > maxRetryAfterMs ||
          !(
            notProcessed(error) ||
            isIdempotent(request.method) ||
            repeatable.has(fullName(request.method))
          )
        ) {
          throw reason;
        }
        backoffMs = askedMs === undefined ? backoffMs * backoffMultiplier : initialBackoffMs;
        await sleep(environment, waitMs, signal, { closed });
        signal.throwIfAborted();
        try {
          return succeeded(await next(request));
        } catch (again) {
          reason = again;
        }
      }
    };
    // A single reaction to the first attempt if it succeeds, as nearly all do.
    return (request) =>
      request.stream || !request.contextValues.get(retrySwitch)
        ? next(request)
        : next(request).then(succeeded, (reason) => retried(request, reason));
  });
}

/** By name: a program may contain the same method generated twice. */
function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

function isIdempotent(method: DescMethod): boolean {
  return (
    // NO_SIDE_EFFECTS, IDEMPOTENT
    method.idempotency > 0 ||
    fullName(method) === "zitadel.management.v1.ManagementService/DeactivateUserGrant"
  );
}
