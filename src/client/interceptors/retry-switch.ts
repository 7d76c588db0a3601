import type { ContextKey } from "@connectrpc/connect";

/**
 * Whether the client may retry a call by itself. Code that retries its own calls, and must know about each
 * attempt, sets it to false in the call's `contextValues`. The id is registered, so that two installed copies of
 * the package share it.
 */
export const retrySwitch: ContextKey<boolean> = {
  id: Symbol.for("zitadel-user-grants.retry"),
  defaultValue: true,
};
