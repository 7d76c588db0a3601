import type { DescMessage } from "@bufbuild/protobuf";
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Transport, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import type { GrpcOptions } from "../../options/client-options.js";
import { copiesRequests } from "../call/apply-interceptors.js";
import { createCodec } from "../call/codec.js";
import type { Deadline } from "../call/deadline.js";
import type { ClosableTransport, TransportOptions } from "../call/options.js";
import { callUnary, effectiveTimeoutMs } from "../call/unary-call.js";
import { compressionBrotli, compressionGzip } from "./compression.js";
import { ConnectionPool } from "./connections/pool.js";
import { LazyResponse } from "./lazy-response.js";
import { compressedFlag } from "./message-reader.js";
import { RequestHeaders } from "./request-headers.js";
import { createStreams } from "./streams.js";
import { exchange } from "./unary-exchange.js";

/** Most bytes that the length of a message can say. */
const maxMessageBytes = 0xffffffff;

/**
 * A Connect transport over native gRPC
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): unary methods straight on
 * `node:http2`, streaming methods by connect-node.
 */
export function createGrpcTransport(options: TransportOptions<GrpcOptions>): ClosableTransport {
  const { origin } = new URL(options.baseUrl);
  const { readMaxBytes, sendCompression } = options;
  const acceptCompression = options.acceptCompression ?? [compressionGzip, compressionBrotli];
  const compressMinBytes = options.compressMinBytes ?? 1024;
  const writeMaxBytes = options.writeMaxBytes ?? maxMessageBytes;
  const codec = createCodec(options, { fromJsonString, toJsonString });
  const headers = new RequestHeaders({
    baseUrl: options.baseUrl,
    contentType: `application/grpc+${codec.subtype}`,
    sendCompression,
    acceptCompression,
  });
  const pool = new ConnectionPool({
    origin,
    nodeOptions: options.nodeOptions,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    pingIntervalMs: options.pingIntervalMs ?? Number.POSITIVE_INFINITY,
    pingIdleConnection: options.pingIdleConnection ?? false,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
    idleConnectionTimeoutMs: options.idleConnectionTimeoutMs ?? 15 * 60_000,
  });
  const isCopied = options.interceptors.some(copiesRequests);
  const streams = createStreams(options, headers);

  /** One attempt of a unary call. */
  async function attempt<I extends DescMessage, O extends DescMessage>(
    request: UnaryRequest<I, O>,
    deadline: Deadline,
  ): Promise<UnaryResponse<I, O>> {
    const { method } = request;
    let message = codec.encode(method.input, request.message);
    if (message.length > writeMaxBytes) {
      throw new ConnectError(
        `the request has ${message.length} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
        Code.ResourceExhausted,
      );
    }
    const compression = message.length < compressMinBytes ? undefined : sendCompression;
    if (compression !== undefined) {
      message = await compression.compress(message);
    }
    const response = await exchange({
      pool,
      deadline,
      header: headers.block(request),
      body: encodeFrame(message, compression === undefined ? 0 : compressedFlag),
      readMaxBytes,
      acceptCompression,
    });
    const bytes =
      response.compression === undefined
        ? response.message
        : await response.compression.decompress(response.message, readMaxBytes);
    return new LazyResponse(method, codec.decode(method.output, bytes), response, isCopied);
  }

  const transport: Transport = {
    async unary(method, signal, timeoutMs, init, message, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      // Checked at once; without headers of the caller's, made when an interceptor looks.
      const header = init === undefined ? undefined : headers.forInterceptors(init, limitMs);
      return callUnary({
        method,
        url: headers.url(method),
        requestMethod: "POST",
        signal,
        timeoutMs: limitMs,
        header: header ?? (() => headers.forInterceptors(undefined, limitMs)),
        message,
        contextValues,
        interceptors: options.interceptors,
        send: attempt,
      });
    },

    stream: streams.stream,
  };
  return {
    transport,
    close() {
      pool.close();
      streams.close();
    },
  };
}
