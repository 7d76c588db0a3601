import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { binaryFormatChecks, commonChecks } from "./options/client-checks.js";
import type { GrpcOptions } from "./options/client-options.js";
import { connectionChecks } from "./options/connection-checks.js";
import { createGrpcTransport } from "./transports/grpc/transport.js";

const grpc: Protocol<GrpcOptions> = {
  checks: { ...commonChecks, ...binaryFormatChecks, ...connectionChecks },
  elsewhere: {
    fetch: "zitadel-user-grants/grpc-web and zitadel-user-grants/json",
    pathPrefixes: "zitadel-user-grants/json",
  },
  create: createGrpcTransport,
};

/**
 * A client of ZITADEL's ManagementService over native gRPC (HTTP/2). Connections are opened by calls;
 * an idle one does not keep a program alive, and `close` ends them at once.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createManagementClient(options: GrpcOptions): ManagementClient {
  return buildClient(grpc, options);
}

/**
 * A Connect `Transport` over native gRPC (HTTP/2) for any generated service: unary and all streaming
 * methods.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createTransport(options: GrpcOptions): Transport {
  return buildTransport(grpc, options);
}

export * from "./client/common-exports.js";
export type { GrpcOptions } from "./options/client-options.js";
export type { NodeConnectOptions } from "./options/node-connect.js";
export { createFetch } from "./transports/grpc/node-fetch.js";
