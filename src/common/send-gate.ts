import type { ContextKey } from "@connectrpc/connect";

/** A request that has to wait before it is sent. */
export interface Turn {
  /** Resolves when the request may be sent. */
  readonly ready: Promise<void>;
  /** The call has settled first: the request will not be sent. */
  cancel(): void;
}

/** Is asked right before each request of a call is sent. @returns undefined when it may be sent at once. */
export type SendGate = () => Turn | undefined;

/**
 * The gate that every request of a call passes: first attempts, retries and those with another token alike. A
 * rate limit that is kept here is kept where requests leave. The id is registered, so that two installed copies
 * of the package share it.
 */
export const sendGate: ContextKey<SendGate | undefined> = {
  id: Symbol.for("zitadel-user-grants.send-gate"),
  defaultValue: undefined,
};
