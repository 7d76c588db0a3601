import type { StreamResponse } from "@connectrpc/connect";
import { createMask, type Mask } from "../../common/mask.js";
import { secretsOf } from "../../common/secret-names.js";
import { maskError } from "../../errors/mask-error.js";

/**
 * Returns an interceptor that masks, in the errors of attempts, the secrets that they sent, wherever the
 * server or the platform echoes them. It runs inside the interceptor that adds the token.
 */
export function createMasking() {
  // Most calls send the same token.
  let known: { key: string; mask: Mask } | undefined;
  const maskFor = (header: Headers) => {
    const secrets = secretsOf(header);
    const key = secrets.join("\n");
    if (known?.key !== key) {
      known = { key, mask: createMask(secrets) };
    }
    return known.mask;
  };
  return (reason: unknown, sent: { readonly header: Headers; readonly signal: AbortSignal }) => {
    const { header, signal } = sent;
    return maskError(reason, maskFor(header), signal.aborted ? signal.reason : undefined);
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
