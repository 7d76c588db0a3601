import type { Client, Interceptor, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { ManagementService } from "../gen/zitadel/management_pb.js";
import { type Checks, checkOptions } from "./check-options.js";
import { registerClient } from "./closing.js";
import { createMetadataInterceptor } from "./interceptors/metadata.js";
import type { CommonOptions } from "./options.js";

/** The client of ZITADEL's `ManagementService`: Connect's own `Client`, and for `close`. */
export type ManagementClient = Client<typeof ManagementService>;

/** What a protocol's transport is made from: its own options, checked, and all interceptors. */
export type TransportOptions<O> = Omit<O, "token" | "orgId" | "instanceHost" | "allowInsecure"> & {
  interceptors: Interceptor[];
  defaultTimeoutMs: number | undefined;
};

/** What the facade needs to know of a protocol. */
export interface Protocol<O extends CommonOptions> {
  checks: Checks<O>;
  /** Names of options that another entry takes, with that entry. */
  elsewhere?: Readonly<Record<string, string>>;
  create: (options: TransportOptions<O>) => Transport;
}

/** No call hangs for ever. */
const defaultTimeoutMs = 30_000;

/** Checks the options and makes a transport that adds token and organization to each call. */
export function buildTransport<O extends CommonOptions>(
  protocol: Protocol<O>,
  options: O,
): Transport {
  const { token, orgId, instanceHost, allowInsecure, ...rest } = checkOptions(
    options,
    protocol.checks,
    protocol.elsewhere,
  );
  const timeoutMs = rest.defaultTimeoutMs ?? defaultTimeoutMs;
  return protocol.create({
    ...rest,
    defaultTimeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    interceptors: [
      ...(rest.interceptors ?? []),
      createMetadataInterceptor({ token, orgId, instanceHost }),
    ],
  });
}

/** A client over such a transport. */
export function buildClient<O extends CommonOptions>(
  protocol: Protocol<O>,
  options: O,
): ManagementClient {
  const transport = buildTransport(protocol, options);
  return registerClient(createClient(ManagementService, transport), transport);
}
