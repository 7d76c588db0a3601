import type { Interceptor, Transport } from "@connectrpc/connect";

/** The input of a transport: the checked options of its protocol, and all interceptors. */
export type TransportOptions<O> = Omit<
  O,
  "token" | "orgId" | "instanceHost" | "allowInsecure" | "retry" | "debug"
> & {
  interceptors: Interceptor[];
  readMaxBytes: number;
  /** Undefined for no limit. */
  defaultTimeoutMs: number | undefined;
};

/**
 * A transport, and the function that closes its connections; there is no such function over `fetch`, which
 * manages connections itself.
 */
export interface ClosableTransport {
  transport: Transport;
  close?: () => void;
}
