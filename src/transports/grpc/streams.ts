import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcOptions } from "../../options/client-options.js";
import type { TransportOptions } from "../call/attempt.js";
import { Call, effectiveTimeoutMs } from "../call/call.js";
import { callHeaders } from "../call/headers.js";
import { callStream, streamInterceptors } from "../call/stream.js";
import type { RequestHeaders } from "./headers.js";
import type { ConnectionPool } from "./pool.js";

/**
 * Streaming methods are connect-node's, over the connections of the pool. It is loaded when the first of them
 * is called: most programs use no streams.
 */
export function createStreams(
  options: TransportOptions<GrpcOptions>,
  headers: RequestHeaders,
  pool: ConnectionPool,
  authority: string,
): Pick<Transport, "stream"> {
  const { baseUrl, readMaxBytes, sendCompression, acceptCompression, compressMinBytes } = options;
  const { writeMaxBytes, useBinaryFormat, binaryOptions, jsonOptions } = options;
  let loading: ReturnType<typeof load> | undefined;
  const load = async () => {
    const [{ createGrpcTransport }, { StreamConnection }] = await Promise.all([
      import("@connectrpc/connect-node"),
      import("./stream-connection.js"),
    ]);
    const own = new StreamConnection(baseUrl, pool, authority);
    return (call: Call) =>
      createGrpcTransport({
        baseUrl,
        readMaxBytes,
        sessionManager: own.manager,
        interceptors: streamInterceptors(options, call, () => own.room(call.signal)),
        ...(useBinaryFormat !== undefined && { useBinaryFormat }),
        ...(sendCompression && { sendCompression }),
        ...(acceptCompression && { acceptCompression }),
        ...(compressMinBytes !== undefined && { compressMinBytes }),
        ...(writeMaxBytes !== undefined && { writeMaxBytes }),
        ...(binaryOptions && { binaryOptions }),
        ...(jsonOptions && { jsonOptions }),
      });
  };
  return {
    async stream(method, signal, timeoutMs, header, messages, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      const requestHeader = callHeaders(header);
      headers.addTo(requestHeader, limitMs);
      const call = new Call(limitMs, signal, options.running);
      return callStream(call, async () => {
        loading ??= load();
        const create = await loading.catch((reason) => {
          loading = undefined;
          throw ConnectError.from(reason, Code.InvalidArgument);
        });
        // Without a time limit of its own: the call's signal aborts it in time.
        return create(call).stream(method, call.signal, 0, requestHeader, messages, contextValues);
      });
    },
  };
}
