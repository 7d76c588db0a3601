import type { Transport } from "@connectrpc/connect";
import {
  createGrpcTransport as createConnectGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { TransportOptions } from "../client.js";
import { registerTransport } from "../closing.js";
import type { GrpcOptions } from "../options.js";
import { effectiveTimeoutMs } from "./call.js";

/** A Connect transport over native gRPC, by connect-node. */
export function createGrpcTransport(options: TransportOptions<GrpcOptions>): Transport {
  const { defaultTimeoutMs, connectTimeoutMs, nodeOptions, ...rest } = options;
  const sessionManager = new Http2SessionManager(
    options.baseUrl,
    rest as object,
    nodeOptions as object,
  );
  const inner = createConnectGrpcTransport({ ...rest, sessionManager } as never);
  const transport: Transport = {
    unary: (method, signal, timeoutMs, header, message, contextValues) =>
      inner.unary(
        method,
        signal,
        effectiveTimeoutMs(timeoutMs, defaultTimeoutMs),
        header,
        message,
        contextValues,
      ),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      inner.stream(
        method,
        signal,
        effectiveTimeoutMs(timeoutMs, defaultTimeoutMs),
        header,
        input,
        contextValues,
      ),
  };
  return registerTransport(transport, () => sessionManager.abort());
}
