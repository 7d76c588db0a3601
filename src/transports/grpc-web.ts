import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Transport, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createClientMethodSerializers, createMethodUrl } from "@connectrpc/connect/protocol";
import { requestHeader, trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { createGrpcWebTransport as createConnectWebTransport } from "@connectrpc/connect-web";
import type { TransportOptions } from "../client.js";
import { registerTransport } from "../closing.js";
import type { GrpcWebOptions } from "../options.js";
import { callUnary, effectiveTimeoutMs } from "./call.js";
import { decodeFrames, encodeFrame } from "./frames.js";
import { connectionError, discard, guardedFetch, readStart } from "./guarded-fetch.js";
import { readStatus } from "./status.js";
import { callStream } from "./stream.js";
import { unexpectedAnswer } from "./unexpected-answer.js";

/** Most bytes of an answer when the client does not say. */
const defaultReadMaxBytes = 16 * 1024 * 1024;

/**
 * A Connect transport over gRPC-web
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md). Unary calls are made here; streams
 * by connect-web's transport, through the same `fetch` and with the same endings.
 *
 * The deadline is kept here and not sent: ZITADEL's CORS rules refuse `grpc-timeout`.
 */
export function createGrpcWebTransport(options: TransportOptions<GrpcWebOptions>): Transport {
  const useBinaryFormat = options.useBinaryFormat ?? true;
  const readMaxBytes = options.readMaxBytes ?? defaultReadMaxBytes;
  const { baseUrl, interceptors, writeMaxBytes, jsonOptions, binaryOptions } = options;
  const exchange = async (request: Parameters<typeof guardedFetch>[1]): Promise<Response> => {
    if (writeMaxBytes !== undefined && bodyBytes(request.body) > writeMaxBytes + 5) {
      throw new ConnectError(
        `the request has ${bodyBytes(request.body) - 5} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
        Code.ResourceExhausted,
      );
    }
    const response = await guardedFetch(options.fetch, request);
    await assertGrpcWeb(response, request, useBinaryFormat);
    return response;
  };
  const streams = createConnectWebTransport({
    baseUrl,
    interceptors,
    useBinaryFormat,
    ...(jsonOptions && { jsonOptions }),
    ...(binaryOptions && { binaryOptions }),
    fetch: (input, init) =>
      exchange({
        url: String(input),
        method: init?.method ?? "POST",
        header: new Headers(init?.headers),
        signal: init?.signal as AbortSignal,
        body: init?.body as Uint8Array<ArrayBuffer>,
      }),
  });

  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, message, contextValues) {
      const { serialize, parse } = createClientMethodSerializers(
        method,
        useBinaryFormat,
        jsonOptions,
        binaryOptions,
      );
      return await callUnary({
        method,
        url: createMethodUrl(baseUrl, method),
        requestMethod: "POST",
        signal,
        timeoutMs: effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
        header: requestHeader(useBinaryFormat, undefined, header, false),
        message,
        contextValues,
        interceptors,
        send: async (request) => {
          request.header.delete("grpc-timeout");
          const response = await exchange({
            url: request.url,
            method: request.requestMethod,
            header: request.header,
            signal: request.signal,
            body: encodeFrame(serialize(request.message)),
          });
          return await readUnary(response, request, parse, readMaxBytes);
        },
      });
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
      return await callStream(
        effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
        signal,
        // 0: the deadline is ours, and connect-web would send its own as grpc-timeout.
        (own) => streams.stream(method, own, 0, header, input, contextValues),
      );
    },
  };
  // Over fetch there is no connection to end.
  return registerTransport(transport, () => undefined);
}

/**
 * One message, then one trailer frame with the status. An error may come in the headers alone, and
 * when a proxy adds an empty trailer frame to it, the headers still tell.
 */
async function readUnary<I extends DescMessage, O extends DescMessage>(
  response: Response,
  request: UnaryRequest<I, O>,
  parse: (data: Uint8Array) => MessageShape<O>,
  readMaxBytes: number,
): Promise<UnaryResponse<I, O>> {
  const headerStatus = readStatus(response.headers);
  let data: Uint8Array | undefined;
  let trailer: Headers | undefined;
  try {
    for await (const frame of decodeFrames(response.body, readMaxBytes)) {
      if (trailer !== undefined) {
        throw protocolError("data after the trailers", response.headers);
      }
      if (frame.flags === trailerFlag) {
        trailer = trailerParse(frame.data);
      } else if (frame.flags !== 0) {
        throw protocolError(
          `flags ${frame.flags} in front of a message: no compression was asked for`,
          response.headers,
        );
      } else if (data !== undefined) {
        throw protocolError("a second message", response.headers, Code.Unimplemented);
      } else {
        data = frame.data;
      }
    }
  } catch (reason) {
    throw connectionError(reason, request.url, request.signal);
  }
  const status = trailer === undefined ? headerStatus : readStatus(trailer);
  const error = status.error ?? headerStatus.error;
  if (error !== undefined) {
    if (status.error !== undefined && trailer !== undefined) {
      response.headers.forEach((value, name) => {
        error.metadata.append(name, value);
      });
    }
    throw error;
  }
  if (!status.found || (trailer === undefined && data !== undefined)) {
    throw protocolError("the answer ends without a status", response.headers);
  }
  if (data === undefined) {
    throw protocolError("a status of 0 without a message", response.headers, Code.Unimplemented);
  }
  return {
    stream: false,
    service: request.service,
    method: request.method,
    header: response.headers,
    message: parse(data),
    trailer: trailer ?? new Headers(),
  };
}

/** Refuses an answer that is not gRPC-web in the format asked for. */
async function assertGrpcWeb(
  response: Response,
  request: Parameters<typeof guardedFetch>[1],
  useBinaryFormat: boolean,
): Promise<void> {
  const contentType = response.headers.get("content-type") ?? "";
  const format = /^application\/grpc-web(?:\+([a-z]+))?(?:\s*;.*)?$/i.exec(contentType);
  const { error } = readStatus(response.headers);
  if (format !== null && error !== undefined && !response.ok) {
    discard(response);
    throw error;
  }
  if (format === null || !response.ok) {
    throw unexpectedAnswer({
      status: response.status,
      headers: response.headers,
      body: await readStart(response),
      expected: "gRPC-web",
      authorization: request.header.get("authorization"),
    });
  }
  const subtype = format[1]?.toLowerCase() ?? "proto";
  // ZITADEL answers binary messages to both and echoes the subtype it was asked with.
  if (subtype !== (useBinaryFormat ? "proto" : "json") && error === undefined) {
    discard(response);
    throw protocolError(`an answer as ${contentType}`, response.headers);
  }
}

function protocolError(what: string, headers: Headers, code: Code = Code.Internal): ConnectError {
  return new ConnectError(
    `the server broke the gRPC-web protocol: ${what}. Whether the call was carried out is not known`,
    code,
    headers,
  );
}

function bodyBytes(body: Uint8Array | string | undefined): number {
  return body?.length ?? 0;
}
