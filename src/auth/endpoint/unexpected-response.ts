import { Code } from "@connectrpc/connect";
import { isTokenError, tokenError } from "../tokens/token-error.js";

/** What was asked, and of whom. */
interface Asked {
  readonly step: string;
  readonly endpoint: string;
}

/** The error for a response that is not what the protocol says. */
export function unexpectedResponse({ step, endpoint }: Asked, detail: string): Error {
  return tokenError(
    `${step} at ${endpoint} got an unexpected response: ${detail}. Is issuer the origin of a ZITADEL instance, and is there a proxy in between?`,
    Code.Unauthenticated,
  );
}

/**
 * Has a response read by oauth4webapi. The causes of its errors hold the whole response, tokens included,
 * so only their message is kept: those messages are fixed texts.
 */
export async function interpret<T>(asked: Asked, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (reason) {
    throw isTokenError(reason) ? reason : unexpectedResponse(asked, describe(reason));
  }
}

/** The library's own words, and what was compared. */
function describe(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "unreadable";
  }
  const { claim } = (reason.cause ?? {}) as { claim?: unknown };
  const clock = claim === "exp" || claim === "nbf" ? " (is the clock of this machine right?)" : "";
  return `${reason.message}${clock}`;
}
