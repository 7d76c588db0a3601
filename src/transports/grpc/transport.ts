import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import { sendGate } from "../../common/send-gate.js";
import type { GrpcOptions } from "../../options/client-options.js";
import { copiesRequests } from "../call/apply-interceptors.js";
import { createCodec } from "../call/codec.js";
import type { ClosableTransport, TransportOptions } from "../call/options.js";
import { effectiveTimeoutMs, untilExpiry } from "../call/unary-call.js";
import { compressionBrotli, compressionGzip } from "./compression.js";
import { ConnectionPool } from "./connections/pool.js";
import { LazyResponse } from "./lazy-response.js";
import { compressedFlag } from "./message-reader.js";
import { RequestHeaders } from "./request-headers.js";
import { createStreams } from "./streams.js";
import type { UnaryExchanges } from "./unary-attempt.js";
import { createUnaryCalls } from "./unary-calls.js";
import { exchange } from "./unary-exchange.js";

/** The largest message length that a frame can declare, in bytes. */
const maxMessageBytes = 0xffffffff;

/**
 * A Connect transport over native gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
 * unary methods directly on `node:http2`, streaming methods by connect-node.
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

  const shared: UnaryExchanges = {
    pool,
    readMaxBytes,
    acceptCompression,
    finish(method, response, deadline) {
      const { compression } = response;
      const finish = (message: Uint8Array) =>
        new LazyResponse(method, codec.decode(method.output, message), response, isCopied);
      return compression === undefined
        ? finish(response.message)
        : untilExpiry(deadline, async () =>
            finish(await compression.decompress(response.message, readMaxBytes)),
          );
    },
  };

  const defaultHeader = (timeoutMs: number | undefined) =>
    headers.forInterceptors(undefined, timeoutMs);
  const callUnary = createUnaryCalls(options.interceptors, (request, deadline) => {
    const { method } = request;
    const start = (bytes: Uint8Array, flags: number) => {
      const header = headers.list(request);
      const body = encodeFrame(bytes, flags, Buffer.allocUnsafe);
      const gate = request.contextValues.get(sendGate);
      return exchange({ shared, method, deadline, header, body, gate });
    };
    try {
      const message = codec.encode(method.input, request.message);
      if (message.length > writeMaxBytes) {
        throw new ConnectError(
          `the request has ${message.length} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
          Code.ResourceExhausted,
        );
      }
      return sendCompression === undefined || message.length < compressMinBytes
        ? start(message, 0)
        : untilExpiry(deadline, async () =>
            start(await sendCompression.compress(message), compressedFlag),
          );
    } catch (reason) {
      return Promise.reject(reason);
    }
  });

  const transport: Transport = {
    unary(method, signal, timeoutMs, init, message, contextValues) {
      try {
        const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
        return callUnary({
          method,
          url: headers.url(method),
          requestMethod: "POST",
          signal,
          timeoutMs: limitMs,
          // Checked at once.
          header: init === undefined ? undefined : headers.forInterceptors(init, limitMs),
          defaultHeader,
          message,
          contextValues,
        });
      } catch (reason) {
        return Promise.reject(reason);
      }
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
