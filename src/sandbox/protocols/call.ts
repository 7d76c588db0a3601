import { type Message, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { platform } from "../../common/time.js";
import { type HttpRequest, type HttpResponse, readBody } from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError } from "../model/errors.js";
import type { FaultInit, RpcName } from "../model/faults.js";
import type { Instance } from "../model/instance.js";
import { instanceError } from "../model/permissions.js";
import { pause, type RpcMethod } from "../rpc/methods.js";

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
  let fault: FaultInit | undefined;
  let reply: Reply;
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
        : instanceError(instance, request, true);
    }
    cancelTimer = platform.setTimer(() => controller.abort(deadlineExceeded(false)), leftMs());
    const signal = AbortSignal.any([request.signal, controller.signal]);
    fault = instance.faults.take(name as RpcName);
    await pause(fault?.delayMs ?? 0, signal);
    if (fault?.code !== undefined) {
      throw new RpcError(fault.code, fault.message ?? "a fault of failNext", fault.id);
    }
    const context = { request, signal, applyAfterMs: fault?.applyAfterMs };
    const message = await method.call(instance, context, sent);
    const bytes = toBinary(method.desc.output, message);
    checkResponseSize(instance, bytes.byteLength, isGateway);
    reply = { message, bytes };
  } catch (error) {
    if (!(error instanceof RpcError)) {
      throw error;
    }
    reply = { error };
  } finally {
    cancelTimer?.();
  }
  if (fault?.lost) {
    const summary = { method: name, outcome: "response lost", id: undefined };
    return { status: 0, headers: {}, lost: true, summary };
  }
  const { error } = reply;
  const outcome = error === undefined ? "OK" : (Code[error.code] ?? "Unknown");
  return { ...encode(reply), summary: { method: name, outcome, id: error?.id } };
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

/**
 * v4 sends no more over any protocol, and the JSON gateway of v2.70 receives no more.
 *
 * @throws RpcError for a response message that is too large.
 */
function checkResponseSize({ generation }: Instance, bytes: number, isGateway: boolean): void {
  const [what, maxBytes] =
    generation === "v4"
      ? ["trying to send", 10 * 1024 * 1024]
      : ["received", isGateway ? 4 * 1024 * 1024 : Number.POSITIVE_INFINITY];
  if (bytes > maxBytes) {
    const text = `grpc: ${what} message larger than max (${bytes} vs. ${maxBytes})`;
    throw new RpcError(Code.ResourceExhausted, text);
  }
}
