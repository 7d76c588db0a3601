import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcOptions } from "../../options/client-options.js";
import type { TransportOptions } from "../call/options.js";
import { callStream } from "../call/stream.js";
import { effectiveTimeoutMs } from "../call/unary-call.js";
import type { StreamConnection } from "./connections/stream-connection.js";
import type { RequestHeaders } from "./request-headers.js";

/** Streaming methods, and the function that closes their connection. */
export interface Streams {
  stream: Transport["stream"];
  close(): void;
}

interface Loaded {
  transport: Transport;
  connection: StreamConnection;
}

/**
 * Streaming methods are connect-node's, over a connection of their own. It is loaded when the first of them
 * is called: most programs use no streams.
 */
export function createStreams(
  options: TransportOptions<GrpcOptions>,
  headers: RequestHeaders,
): Streams {
  let loading: Promise<Loaded> | undefined;
  let connection: StreamConnection | undefined;
  let isClosed = false;
  const load = async (): Promise<Loaded> => {
    const [{ createGrpcTransport }, { StreamConnection }] = await Promise.all([
      import("@connectrpc/connect-node"),
      import("./connections/stream-connection.js"),
    ]);
    const own = new StreamConnection(options);
    connection = own;
    const { sendCompression, acceptCompression, compressMinBytes, writeMaxBytes } = options;
    const { useBinaryFormat, binaryOptions, jsonOptions } = options;
    const transport = createGrpcTransport({
      baseUrl: options.baseUrl,
      readMaxBytes: options.readMaxBytes,
      sessionManager: own.manager,
      interceptors: [...options.interceptors, own.interceptor],
      ...(useBinaryFormat !== undefined && { useBinaryFormat }),
      ...(sendCompression && { sendCompression }),
      ...(acceptCompression && { acceptCompression }),
      ...(compressMinBytes !== undefined && { compressMinBytes }),
      ...(writeMaxBytes !== undefined && { writeMaxBytes }),
      ...(binaryOptions && { binaryOptions }),
      ...(jsonOptions && { jsonOptions }),
    });
    return { transport, connection: own };
  };
  return {
    async stream(method, signal, timeoutMs, header, messages, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      const requestHeaders = headers.forInterceptors(header, limitMs);
      return callStream(limitMs, signal, async (deadline) => {
        loading ??= load();
        const { transport } = await loading.catch((reason) => {
          loading = undefined;
          throw ConnectError.from(reason, Code.InvalidArgument);
        });
        if (isClosed) {
          connection?.close();
          throw new ConnectError("the client was closed", Code.Canceled);
        }
        // Without a time limit of its own: the deadline's signal aborts it in time.
        return transport.stream(
          method,
          deadline.signal,
          0,
          requestHeaders,
          messages,
          contextValues,
        );
      });
    },
    close() {
      isClosed = true;
      connection?.close();
    },
  };
}
