import type { DescMessage } from "@bufbuild/protobuf";
import type { Transport, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcOptions } from "../../options/client-options.js";
import { createCodec } from "../call/codec.js";
import type { Deadline } from "../call/deadline.js";
import { type AddedHeaders, splitHeaderAdder } from "../call/header-adder.js";
import type { ClosableTransport, TransportOptions } from "../call/options.js";
import { callUnary, effectiveTimeoutMs } from "../call/unary-call.js";
import { compressionBrotli, compressionGzip } from "./compression.js";
import { ConnectionPool } from "./connections/pool.js";
import { frame } from "./framing.js";
import { webHeaders } from "./headers.js";
import { RequestHeaders } from "./request-headers.js";
import { createStreams } from "./streams.js";
import { exchange } from "./unary-exchange.js";
import { UnseenRequest, UnseenResponse } from "./unseen.js";

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
  const codec = createCodec(options);
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
  const streams = createStreams(options, headers);
  const { interceptors, addHeaders } = splitHeaderAdder(options.interceptors);
  const isIntercepted = interceptors.length > 0;

  /** One attempt of a unary call. */
  async function attempt<I extends DescMessage, O extends DescMessage>(
    request: UnaryRequest<I, O>,
    added: AddedHeaders | undefined,
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
    const answer = await exchange({
      pool,
      deadline,
      header: headers.block(method, added),
      body: frame(message, compression !== undefined),
      readMaxBytes,
      acceptCompression,
    });
    const bytes =
      answer.compression === undefined
        ? answer.message
        : await answer.compression.decompress(answer.message, readMaxBytes);
    const output = codec.decode(method.output, bytes);
    if (!isIntercepted) {
      return new UnseenResponse(method, output, answer);
    }
    return {
      stream: false,
      service: method.parent,
      method,
      header: webHeaders(answer.header),
      message: output,
      trailer: webHeaders(answer.trailer),
    };
  }

  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, message, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      let own = header === undefined ? undefined : headers.forInterceptors(header, limitMs);
      return callUnary({
        method,
        get url() {
          return origin + headers.path(method);
        },
        requestMethod: "POST",
        signal,
        timeoutMs: limitMs,
        // Made when an interceptor looks at it: without one, nobody does.
        get header() {
          own ??= headers.forInterceptors(undefined, limitMs);
          return own;
        },
        message,
        contextValues,
        interceptors,
        request: isIntercepted
          ? undefined
          : (call, input, deadline) => new UnseenRequest(call, input, deadline),
        send: (request, deadline, original) => {
          const requested = original ? own : request.header;
          return addHeaders === undefined
            ? attempt(request, requested, deadline)
            : addHeaders(request, requested, (added) => attempt(request, added, deadline));
        },
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
