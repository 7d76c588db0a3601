import { fromJson, toJson } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import {
  binaryFormatChecks,
  commonChecks,
  fetchChecks,
  misplacedConnectionOptions,
} from "../options/checks.js";
import type { GrpcWebOptions } from "../options/options.js";
import * as plainJson from "../transports/call/plain-json.js";
import { createGrpcWebTransport, type GrpcWebParts } from "../transports/grpc-web/transport.js";
import { buildClient, buildTransport, type ManagementClient, type Protocol } from "./client.js";

const grpcWeb = (parts: GrpcWebParts): Protocol<GrpcWebOptions> => ({
  checks: { ...commonChecks, ...binaryFormatChecks, ...fetchChecks },
  misplaced: { ...misplacedConnectionOptions, pathPrefixes: "zitadel-user-grants/json" },
  create: (options) => createGrpcWebTransport(options, parts),
});

/** It has no streaming methods, and uses only its own messages. */
export function buildGrpcWebClient(options: GrpcWebOptions): ManagementClient {
  return buildClient(grpcWeb({ json: plainJson }), options);
}

export function buildGrpcWebTransport(
  options: GrpcWebOptions,
  createStreams: NonNullable<GrpcWebParts["createStreams"]>,
): Transport {
  return buildTransport(grpcWeb({ json: { fromJson, toJson }, createStreams }), options);
}
