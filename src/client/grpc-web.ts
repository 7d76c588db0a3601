import { fromJson, toJson } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { own } from "../options/checker.js";
import {
  binaryFormatChecks,
  commonChecks,
  fetchChecks,
  misplacedConnectionOptions,
} from "../options/checks.js";
import type { GrpcWebOptions } from "../options/options.js";
import * as plainJson from "../transports/call/plain-json.js";
import type { FetchParts } from "../transports/fetch/fetch.js";
import { createGrpcWebTransport, type GrpcWebParts } from "../transports/grpc-web/transport.js";
import { buildClient, buildTransport, type ManagementClient, type Protocol } from "./client.js";

type NothingSent = FetchParts["nothingSent"];

const grpcWeb = (parts: GrpcWebParts, nothingSent: NothingSent): Protocol<GrpcWebOptions> => ({
  checks: { ...commonChecks, ...binaryFormatChecks, ...fetchChecks },
  misplaced: { ...misplacedConnectionOptions, pathPrefixes: "zitadel-user-grants/json" },
  create: (options) => createGrpcWebTransport(own({ ...options, nothingSent }), parts),
});

/** It has no streaming methods, and uses only its own messages. */
export function buildGrpcWebClient(
  options: GrpcWebOptions,
  nothingSent?: NothingSent,
): ManagementClient {
  return buildClient(grpcWeb({ json: plainJson }, nothingSent), options);
}

export function buildGrpcWebTransport(
  options: GrpcWebOptions,
  nothingSent: NothingSent,
  createStreams: NonNullable<GrpcWebParts["createStreams"]>,
): Transport {
  const parts = { json: { fromJson, toJson }, createStreams };
  return buildTransport(grpcWeb(parts, nothingSent), options);
}
