import type { OutgoingHttpHeaders } from "node:http2";
import type { DescMessage, DescMethod, DescMethodUnary } from "@bufbuild/protobuf";
import type { Transport, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { TransportOptions } from "../client.js";
import { registerTransport } from "../closing.js";
import type { GrpcOptions } from "../options.js";
import { applyInterceptors } from "./apply-interceptors.js";
import { callUnary, effectiveTimeoutMs } from "./call.js";
import { callHeaders } from "./call-headers.js";
import { createCodec } from "./codec.js";
import type { Deadline } from "./deadline.js";
import { compressionBrotli, compressionGzip } from "./grpc/compression.js";
import { ConnectionPool } from "./grpc/connection-pool.js";
import { frame } from "./grpc/framing.js";
import { webHeaders } from "./grpc/headers.js";
import { sessionManager } from "./grpc/session-manager.js";
import { streamsByConnectNode } from "./grpc/streams.js";
import { grpcTimeout } from "./grpc/timeout-header.js";
import type { UnaryAnswer } from "./grpc/unary-exchange.js";
import { UnaryExchange } from "./grpc/unary-exchange.js";
import { callStream, streamRequest } from "./stream.js";

/** Most bytes that the length of a message can say. */
const maxMessageBytes = 0xffffffff;

const userAgent = "zitadel-user-grants";

/**
 * A Connect transport over native gRPC
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): unary methods straight on
 * `node:http2`, streaming methods by connect-node over the same connections.
 */
export function createGrpcTransport(options: TransportOptions<GrpcOptions>): Transport {
  const { origin, pathname } = new URL(options.baseUrl);
  const pathPrefix = pathname.replace(/\/$/, "");
  const { readMaxBytes, sendCompression, binaryOptions, jsonOptions } = options;
  const acceptCompression = options.acceptCompression ?? [compressionGzip, compressionBrotli];
  const compressMinBytes = options.compressMinBytes ?? 1024;
  const writeMaxBytes = options.writeMaxBytes ?? maxMessageBytes;
  const codec = createCodec(options);
  const protocolHeader: Record<string, string> = {
    "content-type": `application/grpc+${codec.subtype}`,
    te: "trailers",
  };
  if (sendCompression !== undefined) {
    protocolHeader["grpc-encoding"] = sendCompression.name;
  }
  if (acceptCompression.length > 0) {
    protocolHeader["grpc-accept-encoding"] = acceptCompression.map(({ name }) => name).join(",");
  }
  const pool = new ConnectionPool({
    origin,
    nodeOptions: options.nodeOptions,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    pingIntervalMs: options.pingIntervalMs ?? Number.POSITIVE_INFINITY,
    pingIdleConnection: options.pingIdleConnection ?? false,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
    idleConnectionTimeoutMs: options.idleConnectionTimeoutMs ?? 15 * 60_000,
  });
  const streams = streamsByConnectNode({
    baseUrl: options.baseUrl,
    sessionManager: sessionManager(origin, pool),
    acceptCompression,
    compressMinBytes,
    readMaxBytes,
    writeMaxBytes,
    useBinaryFormat: codec.subtype === "proto",
    ...(sendCompression && { sendCompression }),
    ...(binaryOptions && { binaryOptions }),
    ...(jsonOptions && { jsonOptions }),
  });

  const path = (method: DescMethod) => `${pathPrefix}/${method.parent.typeName}/${method.name}`;

  /** What interceptors see, and may change but for what the protocol wants. */
  function requestHeaders(init: HeadersInit | undefined, timeoutMs: number | undefined): Headers {
    const headers = callHeaders(init);
    for (const name in protocolHeader) {
      headers.set(name, protocolHeader[name] ?? "");
    }
    if (!headers.has("user-agent")) {
      headers.set("user-agent", userAgent);
    }
    if (timeoutMs !== undefined) {
      headers.set("grpc-timeout", grpcTimeout(timeoutMs));
    }
    return headers;
  }

  function headerBlock(
    method: DescMethod,
    headers: Headers | undefined,
    deadline: Deadline,
  ): OutgoingHttpHeaders {
    const block: OutgoingHttpHeaders = {
      ":method": "POST",
      ":path": path(method),
      "user-agent": userAgent,
    };
    headers?.forEach((value, name) => {
      block[name] = value;
    });
    Object.assign(block, protocolHeader);
    const remainingMs = deadline.remainingMs();
    block["grpc-timeout"] = remainingMs === undefined ? undefined : grpcTimeout(remainingMs);
    return block;
  }

  function send<I extends DescMessage, O extends DescMessage>(
    request: UnaryRequest<I, O>,
    headers: Headers | undefined,
    deadline: Deadline,
  ): Promise<UnaryResponse<I, O>> {
    return new Promise((resolve, reject) => {
      const message = codec.encode(request.method.input, request.message);
      if (message.length > writeMaxBytes) {
        throw new ConnectError(
          `the request has ${message.length} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
          Code.ResourceExhausted,
        );
      }
      const exchange = (body: Buffer) => {
        new UnaryExchange(headerBlock(request.method, headers, deadline), body, {
          pool,
          deadline,
          readMaxBytes,
          acceptCompression,
          onAnswer: (answer) => receive(request.method, answer).then(resolve, reject),
          onError: reject,
        }).begin();
      };
      if (sendCompression !== undefined && message.length >= compressMinBytes) {
        compressed(message, sendCompression).then(exchange).catch(reject);
      } else {
        exchange(frame(message, false));
      }
    });
  }

  async function receive<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    answer: UnaryAnswer,
  ): Promise<UnaryResponse<I, O>> {
    const bytes =
      answer.compression === undefined
        ? answer.message
        : await answer.compression.decompress(answer.message, readMaxBytes);
    let header: Headers | undefined;
    let trailer: Headers | undefined;
    return {
      stream: false,
      service: method.parent,
      method,
      message: codec.decode(method.output, bytes),
      get header() {
        header ??= webHeaders(answer.header);
        return header;
      },
      get trailer() {
        trailer ??= webHeaders(answer.trailer);
        return trailer;
      },
    };
  }

  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, message, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      let headers = header === undefined ? undefined : requestHeaders(header, limitMs);
      return callUnary({
        method,
        url: origin + path(method),
        requestMethod: "POST",
        signal,
        timeoutMs: limitMs,
        // Made when an interceptor looks at it: without one, nobody does.
        get header() {
          headers ??= requestHeaders(undefined, limitMs);
          return headers;
        },
        message,
        contextValues,
        interceptors: options.interceptors,
        send: (request, deadline, original) =>
          send(request, original ? headers : request.header, deadline),
      });
    },

    async stream(method, signal, timeoutMs, header, message, contextValues) {
      const limitMs = effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs);
      return callStream(limitMs, signal, (deadline) =>
        applyInterceptors(
          streams<typeof method.input, typeof method.output>(deadline),
          options.interceptors,
        )(
          streamRequest(deadline, {
            method,
            url: origin + path(method),
            requestMethod: "POST",
            header: requestHeaders(header, limitMs),
            message,
            contextValues: contextValues ?? createContextValues(),
          }),
        ),
      );
    },
  };
  return registerTransport(transport, () => pool.close());
}

async function compressed(message: Uint8Array, compression: Compression): Promise<Buffer> {
  return frame(await compression.compress(message), true);
}
