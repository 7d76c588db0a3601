import type { Interceptor, StreamResponse } from "@connectrpc/connect";
import { createMask, type Mask } from "../../common/mask.js";
import { secretsOf } from "../../common/secret-names.js";
import { maskError } from "../../errors/mask-error.js";

type Fields = Headers | Readonly<Record<string, string>>;

/**
 * Masks, in the errors of each attempt, the secrets that it sent: whatever the server or the platform
 * repeats of them comes in here. Stands inside of what adds the token.
 */
export function createMaskInterceptor(): Interceptor {
  const masked = createMasking();
  return (next) => (request) =>
    masked(
      request,
      () => request.header,
      () => next(request),
    );
}

/** Makes an attempt whose errors are masked. The mask is kept, since most calls send the same token. */
export function createMasking() {
  let known: { key: string; mask: Mask } | undefined;
  const maskFor = (fields: Fields) => {
    const secrets = secretsOf(
      Symbol.iterator in fields ? (fields as Headers) : Object.entries(fields),
    );
    const key = secrets.join("\n");
    if (known?.key !== key) {
      known = { key, mask: createMask(secrets) };
    }
    return known.mask;
  };
  return async <R>(
    call: { readonly stream: boolean; readonly signal: AbortSignal },
    fields: () => Fields,
    attempt: () => Promise<R>,
  ): Promise<R> => {
    const fail = (reason: unknown): never => {
      const { signal } = call;
      throw maskError(reason, maskFor(fields()), signal.aborted ? signal.reason : undefined);
    };
    try {
      const response = await attempt();
      return call.stream ? (onStreamFailure(response as StreamResponse, fail) as R) : response;
    } catch (reason) {
      return fail(reason);
    }
  };
}

/** Passes a stream on. @param fail is called with the error that the stream fails with, and throws. */
export function onStreamFailure(
  response: StreamResponse,
  fail: (error: unknown) => never,
): StreamResponse {
  const iterate = async function* () {
    try {
      yield* response.message;
    } catch (error) {
      fail(error);
    }
  };
  return { ...response, message: iterate() };
}
