import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { decodeFrames, encodeFrame } from "../../common/frames.js";
import type { GrpcWebOptions } from "../../options/client-options.js";
import type { TransportOptions } from "../call/options.js";
import { callHeaders } from "../call/request-headers.js";
import { callStream } from "../call/stream.js";
import { effectiveTimeoutMs } from "../call/unary-call.js";
import { bodyChunks } from "../fetch/body.js";
import { connectionError } from "../fetch/guarded-fetch.js";
import { post } from "./post.js";

/**
 * Server-streaming methods are connect-web's, over our guarded `fetch`. They come with `createTransport`: in
 * Node, when the first stream is opened; a page that has only a `ManagementService` client loads neither.
 */
export function createStreams(options: TransportOptions<GrpcWebOptions>): Transport["stream"] {
  const { baseUrl, interceptors, useBinaryFormat, binaryOptions, jsonOptions } = options;
  const transport = createGrpcWebTransport({
    baseUrl,
    interceptors,
    fetch: streamFetch(options),
    ...(useBinaryFormat !== undefined && { useBinaryFormat }),
    ...(binaryOptions && { binaryOptions }),
    ...(jsonOptions && { jsonOptions }),
  });
  return async (method, signal, timeoutMs, header, messages, contextValues) => {
    if (method.methodKind !== "server_streaming") {
      throw new ConnectError(
        `${method.name} streams its requests, which gRPC-web over fetch cannot carry: use zitadel-user-grants/grpc`,
        Code.Unimplemented,
      );
    }
    const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
    return callStream(limitMs, signal, (deadline) =>
      // Without a time limit of its own: the deadline's signal aborts it in time.
      transport.stream(method, deadline.signal, 0, callHeaders(header), messages, contextValues),
    );
  };
}

/** `fetch` as called by connect-web: no redirects, no `grpc-timeout`, no endless message. */
function streamFetch(options: TransportOptions<GrpcWebOptions>): typeof globalThis.fetch {
  return async (input, { headers, signal: given, body } = {}) => {
    const url = String(input);
    const signal = given ?? new AbortController().signal;
    const request = { url, header: new Headers(headers), signal };
    const response = await post(request, body as Uint8Array<ArrayBuffer>, options);
    const frames = decodeFrames(bodyChunks(response), options.readMaxBytes);
    // Everything that connect-web reads of a response.
    return {
      status: response.status,
      headers: response.headers,
      body: new ReadableStream<Uint8Array>({
        async pull(controller) {
          try {
            const { value, done } = await frames.next();
            if (done) {
              controller.close();
            } else {
              controller.enqueue(encodeFrame(value.data, value.flags));
            }
          } catch (reason) {
            controller.error(connectionError(reason, url, signal));
          }
        },
        async cancel() {
          await frames.return(undefined);
        },
      }),
    } as Response;
  };
}
