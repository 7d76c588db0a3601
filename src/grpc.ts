/**
 * Native gRPC: for Node, Bun and Deno. The examples of `zitadel-user-grants` apply, with this import.
 *
 * @module zitadel-user-grants/grpc
 */
import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { boolean, bytes, isObject, kindOf, listOf, timeMs } from "./options/checker.js";
import { binaryFormatChecks, commonChecks } from "./options/checks.js";
import type { GrpcOptions } from "./options/options.js";
import { createGrpcTransport } from "./transports/grpc/transport.js";

const isCompression = (value: unknown): boolean =>
  isObject(value) && "name" in value && "compress" in value;

const grpc: Protocol<GrpcOptions> = {
  checks: {
    ...commonChecks,
    ...binaryFormatChecks,
    // It may contain a key.
    nodeOptions: ["an object", isObject, kindOf],
    acceptCompression: listOf("compressions", isCompression),
    sendCompression: ["a compression", isCompression],
    compressMinBytes: bytes(0),
    pingIntervalMs: timeMs(1),
    pingIdleConnection: boolean,
    pingTimeoutMs: timeMs(1),
    idleConnectionTimeoutMs: timeMs(1),
    connectTimeoutMs: timeMs(1),
  },
  misplaced: {
    fetch: "zitadel-user-grants/grpc-web and zitadel-user-grants/json",
    pathPrefixes: "zitadel-user-grants/json",
  },
  create: createGrpcTransport,
};

/**
 * A client of ZITADEL's `ManagementService` over native gRPC (HTTP/2).
 *
 * The first call opens a connection. Idle connections do not keep the process alive; `close()` closes them at
 * once.
 *
 * @param options `baseUrl` is required; a property that is `undefined` counts as not given.
 * @returns a Connect `Client`, which `close()` takes as well. Its calls reject with a `ConnectError`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent. The message has the option's name, what is allowed and what was given.
 */
export function createManagementClient(options: GrpcOptions): ManagementClient {
  return buildClient(grpc, options);
}

/**
 * A Connect `Transport` over native gRPC (HTTP/2), for any generated service.
 *
 * It serves unary methods and all kinds of streaming methods.
 *
 * @param options the same as for `createManagementClient`.
 * @returns a `Transport` that can also be passed to `close()`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent.
 */
export function createTransport(options: GrpcOptions): Transport {
  return buildTransport(grpc, options);
}

export * from "./client/common-exports.js";
export type { ConnectionOptions, GrpcOptions, NodeConnectOptions } from "./options/options.js";
export { createFetch } from "./transports/grpc/node-fetch.js";
