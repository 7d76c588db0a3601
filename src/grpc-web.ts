import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { binaryFormatChecks, commonChecks, fetchChecks } from "./options/client-checks.js";
import type { GrpcWebOptions } from "./options/client-options.js";
import { connectionOptionsElsewhere } from "./options/misplaced.js";
import { createGrpcWebTransport } from "./transports/grpc-web/transport.js";

const grpcWeb: Protocol<GrpcWebOptions> = {
  checks: { ...commonChecks, ...binaryFormatChecks, ...fetchChecks },
  elsewhere: { ...connectionOptionsElsewhere, pathPrefixes: "zitadel-user-grants/json" },
  create: createGrpcWebTransport,
};

/**
 * A client of ZITADEL's ManagementService over gRPC-web: `fetch` carries it, in browsers and anywhere
 * else. Deadlines are kept by the client and not sent, since ZITADEL's CORS rules refuse `grpc-timeout`.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createManagementClient(options: GrpcWebOptions): ManagementClient {
  return buildClient(grpcWeb, options);
}

/**
 * A Connect `Transport` over gRPC-web for any generated service: unary and server-streaming methods,
 * which is what `fetch` can carry.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createTransport(options: GrpcWebOptions): Transport {
  return buildTransport(grpcWeb, options);
}

export * from "./client/common-exports.js";
export type { GrpcWebOptions } from "./options/client-options.js";
