import { gunzipSync, gzipSync } from "node:zlib";
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { encodeFrame, FrameReader } from "../../common/frames.js";
import { platform } from "../../common/time.js";
import {
  type HttpRequest,
  headerOf,
  plainTextError,
  type Route,
  type RpcOutcome,
} from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError, statusTrailers } from "../model/errors.js";
import { type Instance, requestIdHeader } from "../model/instance.js";
import { instanceLookupTimedOut } from "../model/permissions.js";
import { checkResponse, findMethod, maxResponseBytes, type RpcMethod } from "../rpc/methods.js";

/** The subtypes that ZITADEL routes to its gRPC server. `json` is also read and written as binary. */
const contentType = /^application\/grpc(\+proto|\+json)?$/;

/** Native gRPC. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function grpcRoute(instance: Instance): Route {
  return async (request) => {
    const type = headerOf(request, "content-type") ?? "";
    if (request.httpVersion !== 2 || request.method !== "POST" || !contentType.test(type)) {
      return undefined;
    }
    const deadline = readDeadline(request);
    if (deadline === "malformed") {
      return plainTextError(400, "malformed grpc-timeout");
    }
    const noticesDeadline = instance.generation === "v4" ? "looking-up" : "reading";
    const response = await respondToRpc(instance, request, request.body, deadline, noticesDeadline);
    return {
      status: 200,
      headers: {
        "content-type": type,
        trailer: "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin",
        ...response.headers,
      },
      body: response.frame,
      trailers: response.trailers,
      streamed: true,
      outcome: response.outcome,
    };
  };
}

/** The response to a call, before it is encoded as gRPC or gRPC-web. */
export interface RpcResponse {
  /** Without content-type. */
  readonly headers: Readonly<Record<string, string>>;
  /** The framed message of a successful call. */
  readonly frame: Uint8Array | undefined;
  readonly trailers: Readonly<Record<string, string>>;
  readonly outcome: RpcOutcome;
  /** True for an error from before ZITADEL's interceptors, which add no headers then. */
  readonly early: boolean;
}

/**
 * Responds to an RPC as grpc-go does with ZITADEL's interceptors in it.
 *
 * @param noticesDeadline where a deadline that has passed by the time the message has been read is
 * noticed. On a real server it is a race; the sandbox has the winners that were seen.
 */
export async function respondToRpc(
  instance: Instance,
  request: HttpRequest,
  body: AsyncIterable<Uint8Array>,
  deadline: Deadline | undefined,
  noticesDeadline: "reading" | "looking-up",
): Promise<RpcResponse> {
  const encoding = headerOf(request, "grpc-encoding");
  const headers: Record<string, string> = {};
  const rpc = request.path.slice(request.path.lastIndexOf("/") + 1);
  try {
    const method = findMethod(instance, request.path);
    if (method === undefined) {
      throw earlyError(Code.Unimplemented, `unknown method ${request.path}`);
    }
    if (!["identity", "gzip", undefined].includes(encoding)) {
      throw earlyError(Code.Unimplemented, `grpc-encoding "${encoding}" is not supported`);
    }
    if (encoding === "gzip") {
      headers["grpc-encoding"] = encoding;
    }
    const sent = await readMessage(body, encoding);
    if (noticesDeadline === "reading" && hasPassed(deadline)) {
      throw deadlineExceeded(true);
    }
    const message = parse(method, sent);
    Object.assign(headers, interceptorHeaders(instance));
    if (hasPassed(deadline)) {
      throw instanceLookupTimedOut(instance, request);
    }
    const { bytes } = await callRpc(instance, request, method, message, deadline, "other");
    const frame = frameMessage(bytes, encoding);
    const trailers = statusTrailers(undefined);
    return { headers, frame, trailers, outcome: outcomeOf(rpc), early: false };
  } catch (error) {
    if (error instanceof RpcError) {
      return {
        headers,
        frame: undefined,
        trailers: statusTrailers(error),
        outcome: outcomeOf(rpc, error),
        early: error.early,
      };
    }
    throw error;
  }
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

/** The default limit of grpc-go for one message of a request. */
const maxMessageBytes = 4 * 1024 * 1024;

/**
 * Reads the one message of a unary request: a byte of flags, four of length, the message.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws RpcError. A message over the limit is rejected before it is read.
 */
async function readMessage(
  body: AsyncIterable<Uint8Array>,
  encoding: string | undefined,
): Promise<Uint8Array> {
  const frames = new FrameReader();
  for await (const chunk of body) {
    frames.add(chunk);
    checkRequest(frames.length);
    const frame = frames.take();
    if (frame === undefined) {
      continue;
    }
    if (frame.flags === 0) {
      return frame.data;
    }
    if (frame.flags > 1 || encoding !== "gzip") {
      throw earlyError(Code.Internal, `frame with flags ${frame.flags} is not expected`);
    }
    try {
      return gunzipSync(frame.data, { maxOutputLength: maxMessageBytes });
    } catch (error) {
      const isLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      checkRequest(isLarge ? maxMessageBytes + 1 : 0);
      throw earlyError(Code.Internal, "the message cannot be decompressed");
    }
  }
  throw earlyError(Code.Unknown, "the body has no complete message");
}

/** @throws RpcError for a request message that is too large. */
export function checkRequest(bytes: number): void {
  if (bytes > maxMessageBytes) {
    throw earlyError(
      Code.ResourceExhausted,
      `grpc: received message larger than max (${bytes} vs. ${maxMessageBytes})`,
    );
  }
}

function parse(method: RpcMethod, bytes: Uint8Array) {
  try {
    return fromBinary(method.desc.input, bytes);
  } catch {
    throw earlyError(Code.Internal, "grpc: error unmarshalling request");
  }
}

/**
 * Frames the message of a response. It is compressed if the request was, which shows that the client supports
 * it; an empty message never is.
 */
function frameMessage(message: Uint8Array, encoding: string | undefined): Uint8Array {
  const compressed = encoding === "gzip" && message.byteLength > 0;
  const payload = compressed ? gzipSync(message) : message;
  return encodeFrame(payload, compressed ? 1 : 0);
}

export function outcomeOf(rpc: string, error?: RpcError): RpcOutcome {
  return { rpc, code: error === undefined ? "OK" : (Code[error.code] ?? "Unknown"), id: error?.id };
}

/** A deadline: how long a call may take, from its arrival. */
export interface Deadline {
  readonly timeoutMs: number;
  readonly startedAtMs: number;
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1 / 1_000,
  n: 1 / 1_000_000,
};

/**
 * The deadline of a call after its `grpc-timeout` header, if it has one.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function readDeadline(request: HttpRequest): Deadline | "malformed" | undefined {
  const value = headerOf(request, "grpc-timeout");
  if (value === undefined || value === "") {
    return undefined;
  }
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const unitMs = unitsMs[unit];
  return digits === undefined || unitMs === undefined
    ? "malformed"
    : { timeoutMs: Number(digits) * unitMs, startedAtMs: platform.monotonicMs() };
}

/**
 * Calls an RPC, until it settles or its deadline passes.
 *
 * @returns the message of the response, and its bytes.
 * @throws RpcError
 */
export async function callRpc(
  instance: Instance,
  request: HttpRequest,
  { desc, call }: RpcMethod,
  message: Message,
  deadline: Deadline | undefined,
  protocol: "gateway" | "other",
) {
  const controller = new AbortController();
  const { timeoutMs = Number.POSITIVE_INFINITY, startedAtMs = 0 } = deadline ?? {};
  const leftMs = startedAtMs + timeoutMs - platform.monotonicMs();
  const cancelTimer = platform.setTimer(() => controller.abort(deadlineExceeded(false)), leftMs);
  const signal = AbortSignal.any([request.signal, controller.signal]);
  const maxBytes = maxResponseBytes(instance, protocol);
  try {
    const response = await call(instance, { request, signal, maxResponseBytes: maxBytes }, message);
    const bytes = toBinary(desc.output, response);
    checkResponse(bytes.byteLength, maxBytes, instance);
    return { response, bytes };
  } finally {
    cancelTimer();
  }
}

export function hasPassed(deadline: Deadline | undefined): boolean {
  return (
    deadline !== undefined && platform.monotonicMs() - deadline.startedAtMs >= deadline.timeoutMs
  );
}
