// The entry `./grpc-web` in Node; its documentation is in grpc-web.ts, whose types serve both.
import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import { buildGrpcWebClient, buildGrpcWebTransport } from "./client/grpc-web.js";
import type { GrpcWebOptions } from "./options/options.js";

export function createManagementClient(options: GrpcWebOptions): ManagementClient {
  return buildGrpcWebClient(options);
}

export function createTransport(options: GrpcWebOptions): Transport {
  return buildGrpcWebTransport(options, (checked) => {
    let streams: Transport["stream"] | undefined;
    return async (...call) => {
      const { createStreams } = await import("./transports/grpc-web/streams.js");
      streams ??= createStreams(checked);
      return await streams(...call);
    };
  });
}

export * from "./client/common-exports.js";
export type { FetchOptions, GrpcWebOptions } from "./options/options.js";
