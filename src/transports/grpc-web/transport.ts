import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import type { GrpcWebOptions } from "../../options/client-options.js";
import { createCodec, type JsonFormat } from "../call/codec.js";
import type { ClosableTransport, TransportOptions } from "../call/options.js";
import { callHeaders } from "../call/request-headers.js";
import { callUnary, effectiveTimeoutMs, type Send, untilExpiry } from "../call/unary-call.js";
import { post } from "./post.js";
import { readUnary } from "./response.js";

/** Parts that a page loads only if needed. */
export interface GrpcWebParts {
  json: JsonFormat;
  createStreams?: (options: TransportOptions<GrpcWebOptions>) => Transport["stream"];
}

/**
 * A Connect transport over gRPC-web
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): unary and server-streaming methods.
 *
 * The deadline is enforced here and not sent: ZITADEL's CORS rules reject `grpc-timeout`.
 */
export function createGrpcWebTransport(
  options: TransportOptions<GrpcWebOptions>,
  { json, createStreams }: GrpcWebParts,
): ClosableTransport {
  const { baseUrl, interceptors, readMaxBytes } = options;
  const codec = createCodec(options, json);
  let streams: Transport["stream"] | undefined;
  const sendUnary: Send = (request, deadline) =>
    untilExpiry(deadline, () =>
      deadline.counted(request.contextValues, async () => {
        const frame = encodeFrame(codec.encode(request.method.input, request.message));
        const response = await post(request, frame, options);
        return await readUnary(response, request, codec, readMaxBytes);
      }),
    );

  const transport: Transport = {
    async unary(method, signal, timeoutMs, init, message, contextValues) {
      const header = callHeaders(init);
      header.set("content-type", `application/grpc-web+${codec.subtype}`);
      header.set("x-grpc-web", "1");
      return await callUnary(
        {
          method,
          url: `${baseUrl}/${method.parent.typeName}/${method.name}`,
          requestMethod: "POST",
          signal,
          timeoutMs: effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
          header,
          message,
          contextValues,
        },
        interceptors,
        sendUnary,
      );
    },

    async stream(...call) {
      if (createStreams === undefined) {
        throw new ConnectError("this client has no streaming methods", Code.Unimplemented);
      }
      streams ??= createStreams(options);
      return await streams(...call);
    },
  };
  return { transport };
}
