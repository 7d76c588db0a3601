import { fromJson, toJson } from "@bufbuild/protobuf";
import { encodeFrame } from "../../common/frames.js";
import { authorityOf, type GrpcOptions } from "../../options/options.js";
import {
  type Attempt,
  type ClosableTransport,
  createUnary,
  type TransportOptions,
} from "../call/attempt.js";
import { WaitingCalls } from "../call/call.js";
import { createCodec } from "../call/codec.js";
import { compressionBrotli, compressionGzip } from "./compression.js";
import { type Exchanges, exchange } from "./exchange.js";
import { RequestHeaders } from "./headers.js";
import { ConnectionPool } from "./pool.js";
import { compressedFlag, GrpcResponse } from "./response.js";
import { createStreams } from "./streams.js";

/**
 * A Connect transport over native gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
 * unary methods directly on `node:http2`, streaming methods by connect-node.
 */
export function createGrpcTransport(options: TransportOptions<GrpcOptions>): ClosableTransport {
  const url = new URL(options.baseUrl);
  const authority = authorityOf(url, options.nodeOptions);
  const { readMaxBytes, sendCompression } = options;
  const acceptCompression = options.acceptCompression ?? [compressionGzip, compressionBrotli];
  const compressMinBytes = options.compressMinBytes ?? 1024;
  const codec = createCodec(options, { fromJson, toJson });
  const headers = new RequestHeaders({
    authority,
    baseUrl: options.baseUrl,
    contentType: `application/grpc+${codec.subtype}`,
    sendCompression,
    acceptCompression,
  });
  const pool = new ConnectionPool({
    origin: url.origin,
    nodeOptions: options.nodeOptions,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    pingIntervalMs: options.pingIntervalMs ?? Number.POSITIVE_INFINITY,
    pingIdleConnection: options.pingIdleConnection ?? false,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
    idleConnectionTimeoutMs: options.idleConnectionTimeoutMs ?? 15 * 60_000,
  });
  const waiting = new WaitingCalls();
  const stream = createStreams(options, headers, pool, authority, waiting);

  const shared: Exchanges = {
    pool,
    headers,
    readMaxBytes,
    acceptCompression,
    observer: options.observer,
    finish({ method, call }, received) {
      const { message, compression } = received;
      const finish = (bytes: Uint8Array) =>
        new GrpcResponse(method, codec.decode(method.output, bytes), received);
      return compression === undefined
        ? finish(message)
        : call.waitFor(compression.decompress(message, readMaxBytes)).then(finish);
    },
  };

  const send = (attempt: Attempt) => {
    const { method, call } = attempt;
    const start = (bytes: Uint8Array, flags: number) =>
      exchange(shared, attempt, encodeFrame(bytes, flags, Buffer.allocUnsafe));
    try {
      const message = codec.encode(method.input, attempt.message);
      return sendCompression === undefined || message.length < compressMinBytes
        ? start(message, 0)
        : call
            .waitFor(sendCompression.compress(message))
            .then((compressed) => start(compressed, compressedFlag));
    } catch (reason) {
      return Promise.reject(reason);
    }
  };

  return {
    transport: {
      unary: createUnary(
        options,
        {
          target: (method) => ({ url: headers.url(method), requestMethod: "POST" }),
          send,
        },
        waiting,
      ),
      stream,
    },
    close() {
      waiting.close();
      pool.close();
    },
  };
}
