import { Code } from "@connectrpc/connect";
import { encodeFrame } from "../../common/frames.js";
import {
  actualCorsHeaders,
  type CorsPolicy,
  clientHeaders,
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
import { managementMethods } from "../model/management.js";
import { readDeadline } from "./grpc-timeout.js";
import { type RpcResponse, respondToRpc } from "./rpc.js";

const binaryType = "application/grpc-web";
const textType = "application/grpc-web-text";

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
    if (isPreflight(request) && concernsGrpcWeb(request)) {
      return preflightResponse(request, cors);
    }
    const type = headerOf(request, "content-type") ?? "";
    return request.method === "POST" && type.startsWith(binaryType)
      ? serve(instance, request, type)
      : undefined;
  };
}

/** The wrapper handles only preflights that name `x-grpc-web`; the JSON routes handle the others. */
function concernsGrpcWeb(request: HttpRequest): boolean {
  return (
    (headerOf(request, "access-control-request-headers") ?? "")
      .toLowerCase()
      .includes("x-grpc-web") && managementMethods.has(request.path)
  );
}

async function serve(instance: Instance, request: HttpRequest, type: string) {
  const isText = type.startsWith(textType);
  const subtype = type.slice((isText ? textType : binaryType).length);
  if (subtype !== "" && subtype[0] !== "+" && subtype[0] !== ";") {
    const text = `invalid gRPC request content-type "application/grpc${subtype}"`;
    return wrapped(instance, request, plainTextError(415, text));
  }
  const timeout = readDeadline(request);
  if ("rejection" in timeout) {
    return wrapped(instance, request, timeout.rejection);
  }
  const body = isText ? decodeBase64(request.body) : request.body;
  const isV4 = instance.generation === "v4";
  const noticesDeadline = isV4 ? "reading" : "looking-up";
  const response = await respondToRpc(instance, request, body, timeout.deadline, noticesDeadline);
  // The wrapper copies trailers to the headers as long as the headers have not gone out: in v2.70 they
  // go out as soon as the interceptors have set some.
  const trailersInBody = response.frame !== undefined || !(isV4 || response.early);
  const headers: Record<string, string> = {
    "content-type": type,
    ...response.headers,
    ...actualCorsHeaders(request, cors),
    ...(trailersInBody ? {} : response.trailers),
    "x-robots-tag": "none",
  };
  headers["access-control-expose-headers"] = exposedHeaders({ ...headers, date: "" });
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
    streamed: true as const,
    outcome: response.outcome,
  };
}

/** A response of grpc-go that is not gRPC, to which the wrapper appends its trailers all the same. */
function wrapped(
  instance: Instance,
  request: HttpRequest,
  { status, headers, body = "" }: HttpResponse,
): HttpResponse {
  const all = {
    ...(headers as Record<string, string>),
    ...actualCorsHeaders(request, cors),
    "x-robots-tag": "none",
  };
  return {
    status,
    headers: {
      ...all,
      date: new Date(instance.now()).toUTCString(),
      "access-control-expose-headers": exposedHeaders(all),
    },
    body: Buffer.concat([Buffer.from(body), encodeFrame(Buffer.alloc(0), 0x80)]),
    streamed: true,
  };
}

/** All headers of the response, and two in lower case that may come in the trailer frame. */
function exposedHeaders(headers: Readonly<Record<string, string>>): string {
  const names = Object.keys(headers).map((name) =>
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

const wholeGroups = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?/;

/**
 * Decodes base64 as Go does: line breaks are left out, and whatever else is not part of it, or follows its
 * padding, is an error as soon as a message needs it.
 */
async function* decodeBase64(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = "";
  let offset = 0;
  let isPadded = false;
  for await (const chunk of body) {
    rest += Buffer.from(chunk)
      .toString("latin1")
      .replace(/[\r\n]/g, "");
    const valid: string = isPadded ? "" : (wholeGroups.exec(rest)?.[0] ?? "");
    yield Buffer.from(valid, "base64");
    offset += valid.length;
    rest = rest.slice(valid.length);
    isPadded ||= valid.endsWith("=");
    const wrong = isPadded ? 0 : rest.search(/[^A-Za-z\d+/]/);
    if (rest !== "" && wrong >= 0 && !/^[A-Za-z\d+/]{2,3}=?$/.test(rest)) {
      const cause = `illegal base64 data at input byte ${offset + wrong}`;
      throw earlyError(Code.Unknown, `connection error: desc = "${cause}"`);
    }
  }
  if (rest !== "") {
    throw earlyError(Code.Unknown, "unexpected EOF");
  }
}
