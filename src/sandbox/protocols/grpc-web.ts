import { Code } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import {
  type CorsPolicy,
  clientHeaders,
  corsHeaders,
  isPreflight,
  preflightResponse,
} from "../http/cors.js";
import {
  type HttpRequest,
  type HttpResponse,
  headerOf,
  plainTextError,
  type Route,
} from "../http/http.js";
import { earlyError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { findMethod } from "../rpc/methods.js";
import { type RpcResponse, readDeadline, respondToRpc } from "./grpc.js";

const contentType = /^application\/grpc-web(-text)?([+;].*)?$/;

/** The headers that the wrapper passes. `grpc-timeout` and tracing headers are not among them. */
const cors: CorsPolicy = {
  methods: ["GET", "POST", "HEAD"],
  headers: [...clientHeaders, "u-a"],
  exposed: [],
  maxAgeSeconds: 600,
};

/**
 * gRPC-web, as improbable-eng's wrapper around grpc-go serves it. Where an error's status is depends on
 * the generation: v4 has it in response headers over an empty body, v2.70 in a trailer frame.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export function grpcWebRoute(instance: Instance): Route {
  return (request) => {
    if (isPreflight(request) && concernsGrpcWeb(instance, request)) {
      return preflightResponse(instance, request, cors);
    }
    const type = headerOf(request, "content-type") ?? "";
    return request.method === "POST" && type.startsWith("application/grpc-web")
      ? serve(instance, request, type)
      : undefined;
  };
}

/** The wrapper handles only preflights that name `x-grpc-web`; the JSON routes handle the others. */
function concernsGrpcWeb(instance: Instance, request: HttpRequest): boolean {
  const names = headerOf(request, "access-control-request-headers") ?? "";
  return (
    names.toLowerCase().includes("x-grpc-web") && findMethod(instance, request.path) !== undefined
  );
}

async function serve(
  instance: Instance,
  request: HttpRequest,
  type: string,
): Promise<HttpResponse> {
  const known = contentType.exec(type);
  const deadline = readDeadline(request);
  if (known === null || deadline === "malformed") {
    const { status, headers, body } =
      known === null
        ? plainTextError(415, `content type ${type} is not supported`)
        : plainTextError(400, "malformed grpc-timeout");
    return { status, headers: { ...headers, ...corsHeaders(instance, request, cors) }, body };
  }
  const isText = known[1] !== undefined;
  const body = isText ? decodeBase64(request.body) : request.body;
  const isV4 = instance.generation === "v4";
  const noticesDeadline = isV4 ? "reading" : "looking-up";
  const response = await respondToRpc(instance, request, body, deadline, noticesDeadline);
  // The wrapper copies trailers to the headers as long as the headers have not gone out: in v2.70 they
  // go out as soon as the interceptors have set some.
  const trailersInBody = response.frame !== undefined || !(isV4 || response.early);
  const headers: Record<string, string> = {
    "content-type": type,
    ...response.headers,
    ...corsHeaders(instance, request, cors),
    ...(trailersInBody ? {} : response.trailers),
  };
  headers["access-control-expose-headers"] = exposedHeaders(headers);
  const frames = [response.frame, trailersInBody ? trailerFrame(response) : undefined].filter(
    (bytes) => bytes !== undefined,
  );
  return {
    status: 200,
    headers,
    // Each frame is flushed, and so has its own base64 padding.
    body: isText
      ? frames.map((bytes) => Buffer.from(bytes).toString("base64")).join("")
      : Buffer.concat(frames),
    streamed: true,
    outcome: response.outcome,
  };
}

/** All headers of the response, and two in lower case that may come in the trailer frame. */
function exposedHeaders(headers: Readonly<Record<string, string>>): string {
  const names = [...Object.keys(headers), "date", "x-robots-tag"].map((name) =>
    name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
  );
  return [...names, "grpc-status", "grpc-message"].join(", ");
}

function trailerFrame(response: RpcResponse): Uint8Array {
  const lines = Object.entries(response.trailers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return encodeFrame(Buffer.from(lines.join("")), 0x80);
}

/** Decodes base64 that may come in pieces, each with its own padding. */
async function* decodeBase64(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = "";
  for await (const chunk of body) {
    rest += Buffer.from(chunk).toString("latin1").replace(/\s/g, "");
    const whole = rest.slice(0, rest.length - (rest.length % 4));
    if (!/^[A-Za-z\d+/=]*$/.test(whole)) {
      break;
    }
    for (const [piece] of whole.matchAll(/[^=]+=*/g)) {
      yield Buffer.from(piece, "base64");
    }
    rest = rest.slice(whole.length);
  }
  if (rest !== "") {
    throw earlyError(Code.Unknown, "the body is not base64");
  }
}
