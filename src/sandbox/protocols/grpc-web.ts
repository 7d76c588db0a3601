import { Code } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import {
  type CorsPolicy,
  clientHeaders,
  corsHeaders,
  isPreflight,
  preflightResponse,
} from "../http/cors.js";
import { type HttpResponse, plainTextError, type Route } from "../http/http.js";
import { earlyError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { findMethod } from "../rpc/methods.js";
import { respondToCall, timeoutOf } from "./call.js";
import { decodeGrpc, encodeGrpc } from "./grpc.js";

const contentType = /^application\/grpc-web(-text)?([+;].*)?$/;

/** The headers that the wrapper passes. `grpc-timeout` and tracing headers are not among them. */
const cors: CorsPolicy = {
  methods: ["GET", "POST", "HEAD"],
  headers: [...clientHeaders, "u-a"],
  maxAgeSeconds: 600,
};

/**
 * gRPC-web, as improbable-eng's wrapper around grpc-go serves it. Where an error's status is depends on
 * the generation: v4 has it in response headers over an empty body, v2.70 in a trailer frame.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export function grpcWebRoute(instance: Instance): Route {
  const isV4 = instance.generation === "v4";
  return (request) => {
    const { method, path, headers } = request;
    const rpc = findMethod(instance, path);
    // The wrapper handles only preflights that name `x-grpc-web`; the JSON routes handle the others.
    const names = headers["access-control-request-headers"]?.toLowerCase() ?? "";
    if (isPreflight(request) && names.includes("x-grpc-web") && rpc !== undefined) {
      return preflightResponse(instance, request, cors);
    }
    const type = headers["content-type"] ?? "";
    if (method !== "POST" || !type.startsWith("application/grpc-web")) {
      return undefined;
    }
    const corsFields = corsHeaders(instance, request, "");
    const rejection = (status: number, text: string) => {
      const response = plainTextError(status, text);
      return { ...response, headers: { ...response.headers, ...corsFields } };
    };
    const [isKnown, isText] = contentType.exec(type) ?? [];
    if (isKnown === undefined) {
      return rejection(415, `content type ${type} is not supported`);
    }
    if (timeoutOf(request).error !== undefined) {
      return rejection(400, "malformed grpc-timeout");
    }
    return respondToCall(instance, request, rpc, {
      isGateway: false,
      noticesDeadline: isV4 ? "reading" : "looking-up",
      decode: (body, called) =>
        decodeGrpc(request, isText === undefined ? body : decodeBase64(body), called),
      encode: (reply) => {
        const encoded = encodeGrpc(instance, request, reply);
        // The wrapper copies trailers to the headers as long as the headers have not gone out: in v2.70 they
        // go out as soon as the interceptors have set some.
        const trailersInBody = reply.error === undefined || !(isV4 || reply.error.early);
        const all = { "content-type": type, ...encoded.headers, ...corsFields };
        return webResponse(encoded, all, trailersInBody, isText !== undefined);
      },
    });
  };
}

function webResponse(
  { frame, trailers }: ReturnType<typeof encodeGrpc>,
  headers: Readonly<Record<string, string>>,
  trailersInBody: boolean,
  isText: boolean,
): HttpResponse {
  const all: Record<string, string> = { ...headers, ...(trailersInBody ? {} : trailers) };
  all["access-control-expose-headers"] = exposedHeaders(all);
  const frames = [frame, trailersInBody ? trailerFrame(trailers) : undefined].filter(
    (bytes) => bytes !== undefined,
  );
  return {
    status: 200,
    headers: all,
    // Each frame is flushed, and so has its own base64 padding.
    body: isText
      ? frames.map((bytes) => Buffer.from(bytes).toString("base64")).join("")
      : Buffer.concat(frames),
    streamed: true,
  };
}

/** All headers of the response, and two in lower case that may come in the trailer frame. */
function exposedHeaders(headers: Readonly<Record<string, string>>): string {
  const names = [...Object.keys(headers), "date", "x-robots-tag"].map((name) =>
    name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
  );
  return [...names, "grpc-status", "grpc-message"].join(", ");
}

function trailerFrame(trailers: Readonly<Record<string, string>>): Uint8Array {
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
  return encodeFrame(Buffer.from(lines.join("")), 0x80);
}

/** Decodes base64 that may come in pieces, each with its own padding. */
function decodeBase64(body: Buffer): Buffer {
  const text = body.toString("latin1").replace(/\s/g, "");
  if (text.length % 4 !== 0 || !/^[A-Za-z\d+/=]*$/.test(text)) {
    throw earlyError(Code.Unknown, "the body is not base64");
  }
  const pieces = text.match(/[^=]+=*/g) ?? [];
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64")));
}
