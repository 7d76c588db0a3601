import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import type { GrpcWebOptions } from "../../options/options.js";
import { type ClosableTransport, createUnary, type TransportOptions } from "../call/attempt.js";
import { createCodec, type JsonFormat } from "../call/codec.js";
import { type FetchParts, sendOverFetch } from "../fetch/fetch.js";
import { checkResponse, readUnary } from "./response.js";

/** Parts that a page loads only if needed. */
export interface GrpcWebParts {
  json: JsonFormat;
  createStreams?: (options: TransportOptions<GrpcWebOptions> & FetchParts) => Transport["stream"];
}

/**
 * A Connect transport over gRPC-web
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): unary and server-streaming methods.
 *
 * The deadline is enforced here and not sent: ZITADEL's CORS rules reject `grpc-timeout`.
 */
export function createGrpcWebTransport(
  options: TransportOptions<GrpcWebOptions> & FetchParts,
  { json, createStreams }: GrpcWebParts,
): ClosableTransport {
  const { baseUrl, readMaxBytes, useBinaryFormat } = options;
  const codec = createCodec(options, json);

  const unary = createUnary(options, {
    target: ({ parent, name }) => ({
      url: `${baseUrl}/${parent.typeName}/${name}`,
      requestMethod: "POST",
    }),
    async send(attempt) {
      const { method, url, fields, message } = attempt;
      const encoded = codec.encode(method.input, message);
      const header = new Headers(fields);
      header.set("content-type", `application/grpc-web+${codec.subtype}`);
      header.set("x-grpc-web", "1");
      const request = { url, method: "POST", header, body: encodeFrame(encoded) };
      return await sendOverFetch(attempt, options, request, async (response) => {
        await checkResponse(response, useBinaryFormat);
        return await readUnary(response, attempt, codec, readMaxBytes);
      });
    },
  });

  return {
    transport: {
      unary,
      stream: createStreams?.(options) ?? noStreams,
    },
  };
}

const noStreams: Transport["stream"] = () =>
  Promise.reject(new ConnectError("this client has no streaming methods", Code.Unimplemented));
