import { Code } from "@connectrpc/connect";
import { isTokenError, tokenError } from "../tokens/token-error.js";

/** The request, and the server it was sent to. */
interface Asked {
  readonly step: string;
  readonly endpoint: string;
}

/** The error for a response that violates the protocol. */
export function unexpectedResponse({ step, endpoint }: Asked, detail: string): Error {
  return tokenError(
    `${step} at ${endpoint} got an unexpected response: ${detail}. Is issuer the origin of a ZITADEL instance, and is there a proxy in between?`,
    Code.Unauthenticated,
  );
}

/**
 * Runs oauth4webapi's parser on a response. The causes of its errors hold the whole response, tokens
 * included, so only the message is kept: messages are fixed texts.
 */
export async function interpret<T>(asked: Asked, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (reason) {
    throw isTokenError(reason) ? reason : unexpectedResponse(asked, describe(reason));
  }
}

/** The library's message, and the values compared. */
function describe(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "unreadable";
  }
  const { claim } = (reason.cause ?? {}) as { claim?: unknown };
  const clock = claim === "exp" || claim === "nbf" ? " (is the clock of this machine right?)" : "";
  return `${reason.message}${clock}`;
}
