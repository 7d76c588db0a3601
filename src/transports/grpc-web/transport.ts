import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { requestHeader } from "@connectrpc/connect/protocol-grpc-web";
import type { TransportOptions } from "../../client/client.js";
import { registerTransport } from "../../client/close.js";
import { encodeFrame } from "../../common/frames.js";
import type { GrpcWebOptions } from "../../options/client-options.js";
import { applyInterceptors } from "../call/apply-interceptors.js";
import { createCodec } from "../call/codec.js";
import { callHeaders } from "../call/request-headers.js";
import { callStream, type StreamFn, streamRequest } from "../call/stream.js";
import { callUnary, effectiveTimeoutMs } from "../call/unary-call.js";
import { checkSize, guardedFetch } from "../fetch/guarded-fetch.js";
import { checkAnswer, readMessages, readUnary } from "./response.js";

/** What of a call's request makes one attempt. */
interface Attempt<I extends DescMessage> {
  method: DescMethod & { input: I };
  url: string;
  header: Headers;
  signal: AbortSignal;
}

/**
 * A Connect transport over gRPC-web
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): unary and server-streaming methods.
 *
 * The deadline is kept here and not sent: ZITADEL's CORS rules refuse `grpc-timeout`.
 */
export function createGrpcWebTransport(options: TransportOptions<GrpcWebOptions>): Transport {
  const { baseUrl, interceptors, readMaxBytes } = options;
  const codec = createCodec(options);

  const post = async <I extends DescMessage>(
    { method, url, header, signal }: Attempt<I>,
    message: MessageShape<I>,
  ): Promise<Response> => {
    const data = codec.encode(method.input, message);
    checkSize(data, options);
    header.delete("grpc-timeout");
    const response = await guardedFetch(options.fetch, {
      url,
      method: "POST",
      header,
      signal,
      body: encodeFrame(data),
    });
    await checkAnswer(response, codec.subtype, header.get("authorization"));
    return response;
  };
  const prepare = (
    method: DescMethod,
    timeoutMs: number | undefined,
    init: HeadersInit | undefined,
  ) => ({
    url: `${baseUrl}/${method.parent.typeName}/${method.name}`,
    requestMethod: "POST",
    header: requestHeader(codec.subtype === "proto", undefined, callHeaders(init), false),
    timeoutMs: effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
  });

  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, message, contextValues) {
      return await callUnary({
        ...prepare(method, timeoutMs, header),
        method,
        signal,
        message,
        contextValues,
        interceptors,
        send: async (request) =>
          await readUnary(await post(request, request.message), request, codec, readMaxBytes),
      });
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
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
        const response = await post(request, value);
        const trailer = new Headers();
        return {
          stream: true,
          service: request.service,
          method,
          header: response.headers,
          trailer,
          message: readMessages(response, request, codec, readMaxBytes, trailer),
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
