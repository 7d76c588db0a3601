import type { DescMethod } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { createClientMethodSerializers, createMethodUrl } from "@connectrpc/connect/protocol";
import { requestHeader } from "@connectrpc/connect/protocol-grpc-web";
import type { TransportOptions } from "../client.js";
import { registerTransport } from "../closing.js";
import type { GrpcWebOptions } from "../options.js";
import { applyInterceptors } from "./apply-interceptors.js";
import { callUnary, effectiveTimeoutMs } from "./call.js";
import { callHeaders } from "./call-headers.js";
import { encodeFrame } from "./frames.js";
import { checkAnswer, readMessages, readUnary } from "./grpc-web-answer.js";
import { guardedFetch } from "./guarded-fetch.js";
import { callStream, type StreamFn, streamRequest } from "./stream.js";

/** Most bytes of an answer's message when the client does not say. */
const defaultReadMaxBytes = 16 * 1024 * 1024;

/**
 * A Connect transport over gRPC-web
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): unary and server-streaming methods.
 *
 * The deadline is kept here and not sent: ZITADEL's CORS rules refuse `grpc-timeout`.
 */
export function createGrpcWebTransport(options: TransportOptions<GrpcWebOptions>): Transport {
  const { baseUrl, interceptors, writeMaxBytes, jsonOptions, binaryOptions } = options;
  const useBinaryFormat = options.useBinaryFormat ?? true;
  const readMaxBytes = options.readMaxBytes ?? defaultReadMaxBytes;

  const post = async (
    request: { url: string; header: Headers; signal: AbortSignal },
    data: Uint8Array,
  ): Promise<Response> => {
    if (writeMaxBytes !== undefined && data.length > writeMaxBytes) {
      throw new ConnectError(
        `the request has ${data.length} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
        Code.ResourceExhausted,
      );
    }
    const { url, header, signal } = request;
    header.delete("grpc-timeout");
    const response = await guardedFetch(options.fetch, {
      url,
      method: "POST",
      header,
      signal,
      body: encodeFrame(data),
    });
    await checkAnswer(response, useBinaryFormat, header.get("authorization"));
    return response;
  };
  const prepare = (
    method: DescMethod,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
  ) => ({
    url: createMethodUrl(baseUrl, method),
    requestMethod: "POST",
    header: requestHeader(useBinaryFormat, undefined, callHeaders(header), false),
    timeoutMs: effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
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
        ...prepare(method, timeoutMs, header),
        method,
        signal,
        message,
        contextValues,
        interceptors,
        send: async (request) =>
          await readUnary(
            await post(request, serialize(request.message)),
            request,
            parse,
            readMaxBytes,
          ),
      });
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const { serialize, parse } = createClientMethodSerializers(
        method,
        useBinaryFormat,
        jsonOptions,
        binaryOptions,
      );
      const send: StreamFn<typeof method.input, typeof method.output> = async (request) => {
        if (method.methodKind !== "server_streaming") {
          throw new ConnectError(
            `${method.name} streams its requests, which gRPC-web over fetch cannot carry: use zitadel-user-grants/grpc`,
            Code.Unimplemented,
          );
        }
        const { value, done } = await request.message[Symbol.asyncIterator]().next();
        if (done) {
          throw new ConnectError("the request has no message", Code.InvalidArgument);
        }
        const response = await post(request, serialize(value));
        const trailer = new Headers();
        return {
          stream: true,
          service: request.service,
          method,
          header: response.headers,
          trailer,
          message: readMessages(response, request, parse, readMaxBytes, trailer),
        };
      };
      const call = prepare(method, timeoutMs, header);
      return await callStream(call.timeoutMs, signal, (deadline) =>
        applyInterceptors(
          send,
          interceptors,
        )(
          streamRequest(deadline, {
            ...call,
            method,
            message: input,
            contextValues: contextValues ?? createContextValues(),
          }),
        ),
      );
    },
  };
  // Over fetch there is no connection to end.
  return registerTransport(transport, () => undefined);
}
