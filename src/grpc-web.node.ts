// The entry `./grpc-web` in Node, Bun and Deno; its documentation and its types are in grpc-web.ts.
import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import { buildGrpcWebClient, buildGrpcWebTransport } from "./client/grpc-web.js";
import { nothingSent } from "./errors/failure.js";
import type { GrpcWebOptions } from "./options/options.js";

export * from "./client/common-exports.js";

export function createManagementClient(options: GrpcWebOptions): ManagementClient {
  return buildGrpcWebClient(options, nothingSent);
}

export function createTransport(options: GrpcWebOptions): Transport {
  return buildGrpcWebTransport(options, nothingSent, (checked) => async (...call) => {
    const { createStreams } = await import("./transports/grpc-web/streams.js");
    return await createStreams(checked)(...call);
  });
}
