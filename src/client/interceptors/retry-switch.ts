import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * Whether the client may retry a call by itself. Code that retries its own calls, and must know about each
 * attempt, sets it to false in the call's `contextValues`.
 */
export const retrySwitch: ContextKey<boolean> = createContextKey(true, {
  description: "whether the client may repeat the call",
});
