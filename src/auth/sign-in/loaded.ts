import { Code } from "@connectrpc/connect";
import { TransientFailure, tokenError } from "../tokens/token-error.js";
import type { SignInContext } from "./context.js";
import type { Session } from "./session.js";

/**
 * Loads the code that talks to the authorization server: two thirds of the module, in a file of its own, so
 * that a page need not wait for it.
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

/** The same within a retried operation. */
export function loadServer(): Promise<typeof import("./server.js")> {
  return load().catch((error) => {
    throw new TransientFailure(error);
  });
}

/** Loads it while the network is available: a page may be open for days. */
export function preload(): void {
  load().catch(() => {});
}

/** Revokes the tokens of an abandoned session in the background. */
export function revokeInBackground(context: SignInContext, session: Session): void {
  load()
    .then(({ revokeQuietly }) => revokeQuietly(context, session))
    .catch(() => {});
}
