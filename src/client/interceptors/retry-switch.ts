import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * Whether the client may repeat a call by itself. Work that repeats its own calls, and has to know
 * about each attempt, sets it to false in the call's `contextValues`.
 */
export const retrySwitch: ContextKey<boolean> = createContextKey(true, {
  description: "whether the client may repeat the call",
});
