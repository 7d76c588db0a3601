import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcWebTransport, type GrpcWebTransportOptions } from "@connectrpc/connect-web";
import { decodeFrames, encodeFrame, prefixBytes } from "../../common/frames.js";
import { neverSent } from "../../errors/certainty.js";
import type { GrpcWebOptions } from "../../options/options.js";
import type { TransportOptions } from "../call/attempt.js";
import { checkSize } from "../call/codec.js";
import { createStream, streamInterceptors } from "../call/stream.js";
import { bodyChunks, connectionError, type FetchParts, guardedFetch } from "../fetch/fetch.js";
import { checkResponse } from "./response.js";

/**
 * Server-streaming methods are connect-web's, over our guarded `fetch`. They come with `createTransport`: in
 * Node, when the first stream is opened; a page that has only a `ManagementService` client loads neither.
 */
export function createStreams(
  options: TransportOptions<GrpcWebOptions> & FetchParts,
): Transport["stream"] {
  const stream = createStream(options, undefined, async (call) =>
    createGrpcWebTransport({
      // The same names with the same meaning.
      ...(options as GrpcWebTransportOptions),
      interceptors: streamInterceptors(options, call),
      fetch: streamFetch(options),
    }),
  );
  return async (method, ...call) => {
    if (method.methodKind !== "server_streaming") {
      throw neverSent(
        new ConnectError(
          `${method.name} streams its requests, which gRPC-web over fetch cannot carry: use zitadel-user-grants/grpc`,
          Code.Unimplemented,
        ),
      );
    }
    return await stream(method, ...call);
  };
}

/** `fetch` as called by connect-web: no redirects, no `grpc-timeout`, no endless message. */
function streamFetch(
  options: TransportOptions<GrpcWebOptions> & FetchParts,
): typeof globalThis.fetch {
  return async (input, { headers, signal: given, body } = {}) => {
    const url = String(input);
    const signal = given ?? new AbortController().signal;
    const frame = body as Uint8Array<ArrayBuffer>;
    checkSize(frame.subarray(prefixBytes), options);
    const header = new Headers(headers);
    const request = { url, method: "POST", header, signal, body: frame };
    const response = await guardedFetch(options, request);
    await checkResponse(response, options.useBinaryFormat);
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
