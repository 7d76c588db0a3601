import { Code } from "@connectrpc/connect";
import { TransientFailure, tokenError } from "../tokens/token-error.js";
import type { SignInContext } from "./context.js";
import type { Session } from "./session.js";

/**
 * Loads what talks to the authorization server. It is two thirds of the code, and one file beside the page's
 * own: a page need not wait for it.
 */
export async function load(): Promise<typeof import("./server.js")> {
  try {
    return await import("./server.js");
  } catch {
    throw tokenError(
      "a part of the page's own code could not be loaded: reload the page",
      Code.Unavailable,
    );
  }
}

/** The same within what is retried. */
export function loadServer(): Promise<typeof import("./server.js")> {
  return load().catch((error) => {
    throw new TransientFailure(error);
  });
}

/** Loads it while the network is there: a page may be open for days. */
export function preload(): void {
  load().catch(() => {});
}

/** Revokes the tokens of a session that nobody uses any more, and does not wait for it. */
export function revokeInBackground(context: SignInContext, session: Session): void {
  load()
    .then(({ revokeQuietly }) => revokeQuietly(context, session))
    .catch(() => {});
}
