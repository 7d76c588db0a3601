import { createRegistry } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import { compressionBrotli, compressionGzip } from "../../src/transports/grpc/transport.js";
import type { ClientCompatRequest } from "./gen/connectrpc/conformance/v1/client_compat_pb.js";
import { Codec, Compression, Protocol } from "./gen/connectrpc/conformance/v1/config_pb.js";
import { file_connectrpc_conformance_v1_service } from "./gen/connectrpc/conformance/v1/service_pb.js";

/** A transport of this package as the suite asks for it. */
export function createTransport(request: ClientCompatRequest): Transport {
  const { host, port, serverTlsCert, clientTlsCreds, timeoutMs, messageReceiveLimit } = request;
  const isTls = serverTlsCert.length > 0;
  const common = {
    baseUrl: `${isTls ? "https" : "http"}://${host}:${port}`,
    defaultTimeoutMs: timeoutMs ?? 0,
    useBinaryFormat: request.codec === Codec.PROTO,
    readMaxBytes: messageReceiveLimit === 0 ? undefined : messageReceiveLimit,
    jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) },
  };
  switch (request.protocol) {
    case Protocol.GRPC: {
      const compression = compressions.get(request.compression);
      return grpc.createTransport({
        ...common,
        sendCompression: compression,
        acceptCompression: compression === undefined ? [] : [compression],
        compressMinBytes: 0,
        nodeOptions: isTls
          ? {
              ca: Buffer.from(serverTlsCert),
              cert: clientTlsCreds && Buffer.from(clientTlsCreds.cert),
              key: clientTlsCreds && Buffer.from(clientTlsCreds.key),
            }
          : undefined,
      });
    }
    case Protocol.GRPC_WEB:
      return grpcWeb.createTransport(common);
    default:
      throw new Error(`protocol ${Protocol[request.protocol]} is not one of this package`);
  }
}

const compressions = new Map([
  [Compression.GZIP, compressionGzip],
  [Compression.BR, compressionBrotli],
]);
