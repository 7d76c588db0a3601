import type { Interceptor, Transport } from "@connectrpc/connect";

/** What a transport is made from: the options of its protocol, checked, and all interceptors. */
export type TransportOptions<O> = Omit<
  O,
  "token" | "orgId" | "instanceHost" | "allowInsecure" | "retry" | "debug"
> & {
  interceptors: Interceptor[];
  readMaxBytes: number;
  /** Undefined for no limit. */
  defaultTimeoutMs: number | undefined;
};

/** A transport, and what ends its connections; over `fetch`, which keeps them to itself, there is nothing. */
export interface ClosableTransport {
  transport: Transport;
  close?: () => void;
}
