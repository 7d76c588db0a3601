import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { encodeFrame } from "../../common/frames.js";
import { causedBy, neverSent } from "../../errors/certainty.js";
import type { GrpcOptions } from "../../options/options.js";
import {
  type Attempt,
  type ClosableTransport,
  createUnary,
  type TransportOptions,
} from "../call/attempt.js";
import { WaitingCalls } from "../call/call.js";
import { createCodec } from "../call/codec.js";
import { type Exchanges, exchange } from "./exchange.js";
import { RequestHeaders } from "./headers.js";
import { ConnectionPool } from "./pool.js";
import { compressedFlag, GrpcResponse } from "./response.js";

/**
 * A Connect transport over native gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
 * unary methods directly on `node:http2`, streaming methods by connect-node.
 */
export function createGrpcTransport(options: TransportOptions<GrpcOptions>): ClosableTransport {
  const url = new URL(options.baseUrl);
  const { readMaxBytes, sendCompression } = options;
  const acceptCompression = options.acceptCompression ?? [compressionGzip, compressionBrotli];
  const compressMinBytes = options.compressMinBytes ?? 1024;
  const codec = createCodec(options, { fromJson, toJson });
  const headers = new RequestHeaders(options, codec.subtype, acceptCompression);
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
      /** Streams are connect-node's, which the first of them loads: most programs use none. */
      async stream(...call) {
        const { createStreams } = await import("./streams.js").catch((reason) => {
          throw neverSent(ConnectError.from(reason, Code.InvalidArgument));
        });
        return await createStreams(options, headers, pool, waiting)(...call);
      },
    },
    close() {
      waiting.close();
      pool.close();
    },
  };
}

type Decompress = (bytes: Uint8Array, limit: { maxOutputLength: number }, done: Done) => void;
type Done = (error: Error | null, result: Uint8Array<ArrayBuffer>) => void;

export const compressionGzip = compression("gzip", "gzip", "gunzip");
export const compressionBrotli = compression("br", "brotliCompress", "brotliDecompress");

/** A compression by functions of `node:zlib`, which is loaded when a message first needs it. */
function compression(
  name: string,
  compress: "gzip" | "brotliCompress",
  decompress: "gunzip" | "brotliDecompress",
): Compression {
  return {
    name,
    async compress(bytes) {
      const zlib = await import("node:zlib");
      return promise((done) => zlib[compress](bytes, done));
    },
    async decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) {
        return new Uint8Array();
      }
      const { [decompress]: run } = await import("node:zlib");
      try {
        // zlib stops at the limit, so a small response that decompresses to gigabytes takes no memory.
        const limit = { maxOutputLength: readMaxBytes };
        return await promise((done) => (run as Decompress)(bytes, limit, done));
      } catch (reason) {
        throw (reason as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE"
          ? new ConnectError(
              `message is larger than readMaxBytes ${readMaxBytes} after decompression`,
              Code.ResourceExhausted,
            )
          : causedBy(reason, "the response cannot be decompressed", Code.Internal);
      }
    },
  };
}

/** Not `promisify`: node:util, as a module, takes longer to load than all of this transport. */
function promise(run: (done: Done) => void): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    run((error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
