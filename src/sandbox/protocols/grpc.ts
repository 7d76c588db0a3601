import { gunzipSync, gzipSync } from "node:zlib";
import { fromBinary, type Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { encodeFrame, FrameReader } from "../../common/frames.js";
import { type HttpRequest, plainTextError, type Route } from "../http/http.js";
import { earlyError, statusTrailers } from "../model/errors.js";
import { type Instance, requestIdHeader } from "../model/instance.js";
import { findMethod, type RpcMethod } from "../rpc/methods.js";
import { checkRequestSize, maxRequestBytes, type Reply, respondToCall, timeoutOf } from "./call.js";

/** The subtypes that ZITADEL routes to its gRPC server. `json` is also read and written as binary. */
const contentType = /^application\/grpc(\+proto|\+json)?$/;

/** Native gRPC. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function grpcRoute(instance: Instance): Route {
  return (request) => {
    const type = request.headers["content-type"] ?? "";
    if (request.httpVersion !== 2 || request.method !== "POST" || !contentType.test(type)) {
      return undefined;
    }
    if (timeoutOf(request).error !== undefined) {
      return plainTextError(400, "malformed grpc-timeout");
    }
    return respondToCall(instance, request, findMethod(instance, request.path), {
      isGateway: false,
      noticesDeadline: instance.generation === "v4" ? "looking-up" : "reading",
      decode: (body, method) => decodeGrpc(request, body, method),
      encode: (reply) => {
        const { headers, frame, trailers } = encodeGrpc(instance, request, reply);
        return {
          status: 200,
          headers: {
            "content-type": type,
            trailer: "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin",
            ...headers,
          },
          body: frame,
          trailers,
          streamed: true,
        };
      },
    });
  };
}

/**
 * Reads the one message of a unary request.
 *
 * @throws RpcError from before ZITADEL's interceptors.
 */
export function decodeGrpc({ headers }: HttpRequest, body: Buffer, { desc }: RpcMethod): Message {
  const encoding = headers["grpc-encoding"];
  if (!["identity", "gzip", undefined].includes(encoding)) {
    throw earlyError(Code.Unimplemented, `grpc-encoding "${encoding}" is not supported`);
  }
  const frames = new FrameReader();
  frames.add(body);
  checkRequestSize(frames.length);
  const frame = frames.take();
  if (frame === undefined) {
    throw earlyError(Code.Unknown, "the body has no complete message");
  }
  const isCompressed = frame.flags === 1 && encoding === "gzip";
  if (frame.flags !== 0 && !isCompressed) {
    throw earlyError(Code.Internal, `frame with flags ${frame.flags} is not expected`);
  }
  try {
    return fromBinary(desc.input, isCompressed ? gunzip(frame.data) : frame.data);
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    checkRequestSize(isLarge ? maxRequestBytes + 1 : 0);
    throw earlyError(Code.Internal, "grpc: error unmarshalling request");
  }
}

function gunzip(data: Uint8Array): Uint8Array {
  return gunzipSync(data, { maxOutputLength: maxRequestBytes });
}

/** What gRPC and gRPC-web make of a reply, before they put it together. */
export function encodeGrpc(instance: Instance, { headers }: HttpRequest, { bytes, error }: Reply) {
  // A client that compresses can decompress. An unknown method is not looked at that closely.
  const usesGzip = headers["grpc-encoding"] === "gzip" && error?.code !== Code.Unimplemented;
  // An empty message is never compressed.
  const isCompressed = usesGzip && (bytes?.byteLength ?? 0) > 0;
  return {
    headers: {
      ...(usesGzip ? { "grpc-encoding": "gzip" } : {}),
      ...(error?.early ? {} : interceptorHeaders(instance)),
    },
    frame: bytes && encodeFrame(isCompressed ? gzipSync(bytes) : bytes, isCompressed ? 1 : 0),
    trailers: statusTrailers(error),
  };
}

/**
 * The headers that ZITADEL's interceptors add to a response: it must not be cached, and support can find it.
 */
function interceptorHeaders(instance: Instance): Record<string, string> {
  const expires = new Date(instance.now()).toUTCString();
  return {
    "cache-control": "no-store",
    expires,
    "grpc-metadata-cache-control": "no-store",
    "grpc-metadata-expires": expires,
    "grpc-metadata-pragma": "no-cache",
    pragma: "no-cache",
    ...requestIdHeader(instance),
  };
}
