import { type Message, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { platform } from "../../common/time.js";
import { type HttpRequest, type HttpResponse, readBody } from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError } from "../model/errors.js";
import { ResponseLost } from "../model/faults.js";
import type { Instance } from "../model/instance.js";
import { instanceLookupTimedOut } from "../model/permissions.js";
import { checkResponseSize, maxResponseBytes, type RpcMethod } from "../rpc/methods.js";

/** What the protocols differ in. */
export interface Protocol {
  /** Whether the JSON gateway is between the client and the gRPC server. */
  readonly isGateway: boolean;
  /**
   * Where a deadline that has passed by the time the message has been read is noticed. On a real server it is
   * a race; the sandbox has the winners that were seen.
   */
  readonly noticesDeadline: "reading" | "looking-up";
  /** @throws RpcError for a body that is not a message of the RPC. */
  readonly decode: (body: Buffer, method: RpcMethod) => Message;
  readonly encode: (reply: Reply) => HttpResponse;
}

/** What came of a call: a message, also in its binary form, or an error. */
export type Reply =
  | { readonly message: Message; readonly bytes: Uint8Array; readonly error?: undefined }
  | { readonly error: RpcError; readonly message?: undefined; readonly bytes?: undefined };

/** Where reading stops; JSON is longer than the message that it stands for. */
const maxBodyBytes = 64 * 1024 * 1024;

/** The default limit of grpc-go for one message of a request. */
export const maxRequestBytes = 4 * 1024 * 1024;

/** Responds to an RPC, as grpc-go does with ZITADEL's interceptors in it. */
export async function respondToCall(
  instance: Instance,
  request: HttpRequest,
  method: RpcMethod | undefined,
  { isGateway, noticesDeadline, decode, encode }: Protocol,
): Promise<HttpResponse> {
  const name = method?.desc.name ?? request.path.slice(request.path.lastIndexOf("/") + 1);
  const startedAtMs = platform.monotonicMs();
  const { timeoutMs = Number.POSITIVE_INFINITY, error: malformed } = timeoutOf(request);
  const leftMs = () => startedAtMs + timeoutMs - platform.monotonicMs();
  const controller = new AbortController();
  let cancelTimer: (() => void) | undefined;
  try {
    if (method === undefined) {
      throw earlyError(Code.Unimplemented, `unknown method ${request.path}`);
    }
    if (malformed !== undefined) {
      throw earlyError(Code.InvalidArgument, "malformed grpc-timeout");
    }
    const body = await readBody(request, maxBodyBytes);
    checkRequestSize(body === undefined ? maxBodyBytes : 0);
    const sent = decode(body ?? Buffer.alloc(0), method);
    if (leftMs() <= 0) {
      throw noticesDeadline === "reading"
        ? deadlineExceeded(true)
        : instanceLookupTimedOut(instance, request);
    }
    cancelTimer = platform.setTimer(() => controller.abort(deadlineExceeded(false)), leftMs());
    const signal = AbortSignal.any([request.signal, controller.signal]);
    const maxBytes = maxResponseBytes(instance, isGateway);
    const message = await method.call(instance, { request, signal, maxBytes }, sent);
    const bytes = toBinary(method.desc.output, message);
    checkResponseSize(instance, bytes.byteLength, maxBytes);
    const summary = { method: name, outcome: "OK", id: undefined };
    return { ...encode({ message, bytes }), summary };
  } catch (error) {
    if (error instanceof ResponseLost) {
      const summary = { method: name, outcome: "response lost", id: undefined };
      return { status: 0, headers: {}, lost: true, summary };
    }
    if (error instanceof RpcError) {
      const summary = { method: name, outcome: Code[error.code] ?? "Unknown", id: error.id };
      return { ...encode({ error }), summary };
    }
    throw error;
  } finally {
    cancelTimer?.();
  }
}

/** The deadline of a call after its `grpc-timeout` header, if it has one. */
export function timeoutOf({ headers }: HttpRequest) {
  return parseTimeout(headers["grpc-timeout"] || null, Number.POSITIVE_INFINITY);
}

/** @throws RpcError for a request message that is too large. */
export function checkRequestSize(bytes: number): void {
  if (bytes > maxRequestBytes) {
    throw earlyError(
      Code.ResourceExhausted,
      `grpc: received message larger than max (${bytes} vs. ${maxRequestBytes})`,
    );
  }
}
