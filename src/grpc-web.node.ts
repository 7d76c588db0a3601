// The entry `./grpc-web` in Node; its documentation and its types are in grpc-web.ts.
import type { Transport } from "@connectrpc/connect";
import { buildGrpcWebTransport } from "./client/grpc-web.js";
import type { GrpcWebOptions } from "./options/options.js";

export * from "./client/common-exports.js";
export { buildGrpcWebClient as createManagementClient } from "./client/grpc-web.js";

export function createTransport(options: GrpcWebOptions): Transport {
  return buildGrpcWebTransport(options, (checked) => async (...call) => {
    const { createStreams } = await import("./transports/grpc-web/streams.js");
    return await createStreams(checked)(...call);
  });
}
