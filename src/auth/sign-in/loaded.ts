import { Code } from "@connectrpc/connect";
import { TransientFailure, tokenError } from "../tokens/token-error.js";
import type { SignInContext } from "./context.js";
import type { Session } from "./session.js";

// What talks to the authorization server is two thirds of the code, and loaded beside the page's own: a
// page need not wait for it.

export const loadServer = () =>
  load(import("./server.js")).catch((error) => {
    throw new TransientFailure(error);
  });
export const loadStart = () => load(import("./start.js"));
export const loadCallback = () => load(import("./callback.js"));
export const loadSignOut = () => load(import("./sign-out.js"));

/** Loads everything while the network is there: a page may be open for days. */
export function preload(): void {
  for (const load of [loadServer, loadStart, loadCallback, loadSignOut]) {
    load().catch(() => {});
  }
}

/** Revokes the tokens of a session that nobody uses any more, and does not wait for it. */
export function revokeInBackground(context: SignInContext, session: Session): void {
  import("./revoke.js")
    .then(({ revokeQuietly }) => revokeQuietly(context, session))
    .catch(() => {});
}

async function load<T>(module: Promise<T>): Promise<T> {
  try {
    return await module;
  } catch {
    throw tokenError(
      "a part of the page's own code could not be loaded: reload the page",
      Code.Unavailable,
    );
  }
}
