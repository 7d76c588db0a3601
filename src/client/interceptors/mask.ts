import type { StreamResponse } from "@connectrpc/connect";
import { createMask, type Mask, maskError, secretsOf } from "../../errors/mask.js";

/** A call makes few attempts, and most calls send the same token. */
const maxMasks = 4;

/**
 * Returns a function that masks, in the errors of attempts, the secrets that they sent, wherever the server or
 * the platform echoes them. It masks those of earlier attempts as well: a server may echo the token that it
 * rejected before.
 */
export function createMasking() {
  let known: { readonly key: string; readonly mask: Mask }[] = [];
  const latest: Mask = {
    text: (text) => known.reduce((masked, { mask }) => mask.text(masked), text),
    bytes: (bytes) => known.reduce((masked, { mask }) => mask.bytes(masked), bytes),
  };
  const remember = (header: Headers) => {
    const secrets = secretsOf(header);
    const key = secrets.join("\n");
    if (known[0]?.key !== key) {
      const others = known.filter((other) => other.key !== key).slice(0, maxMasks - 1);
      const found = known.find((other) => other.key === key);
      known = [found ?? { key, mask: createMask(secrets) }, ...others];
    }
  };
  return (reason: unknown, sent: { readonly header: Headers; readonly signal: AbortSignal }) => {
    const { header, signal } = sent;
    remember(header);
    return maskError(reason, latest, signal.aborted ? signal.reason : undefined);
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
