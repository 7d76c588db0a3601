import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import {
  createManagementClient as createGrpcClient,
  createTransport as createGrpcTransport,
} from "./grpc.js";
import type { ClientOptions } from "./options/client-options.js";

/**
 * A client of ZITADEL's ManagementService, to take project access away from users: over native gRPC in
 * Node, over gRPC-web everywhere else. `close` ends its connections.
 *
 * @throws TypeError for an option that is unknown or not allowed, and for one that only the other
 * protocol takes, before anything is sent.
 */
export function createManagementClient(options: ClientOptions): ManagementClient {
  return createGrpcClient(options);
}

/**
 * A Connect `Transport` for any generated service: over native gRPC in Node, over gRPC-web everywhere
 * else. `close` ends its connections.
 *
 * @throws TypeError for an option that is unknown or not allowed, and for one that only the other
 * protocol takes, before anything is sent.
 */
export function createTransport(options: ClientOptions): Transport {
  return createGrpcTransport(options);
}

export * from "./client/common-exports.js";
export type { ClientOptions } from "./options/client-options.js";
