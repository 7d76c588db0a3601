import { Code } from "@connectrpc/connect";
import { type HttpRequest, type HttpResponse, headerOf, readBody } from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError } from "../model/errors.js";
import { type Instance, protoError } from "../model/instance.js";
import { gatewayError, gatewayResponse, type Json } from "./gateway.js";
import { type JsonNode, parseGoJson } from "./go-json.js";
import { readDeadline } from "./grpc-timeout.js";
import { ProtoJsonError } from "./proto-json.js";
import { hasPassed, outcomeOf, withDeadline } from "./rpc.js";

/** Where reading stops; JSON is longer than the 4 MiB message that it may encode. */
const maxBodyBytes = 64 * 1024 * 1024;

/** A call received as JSON: first its message is read, then it is executed. */
export interface GatewayCall<T> {
  readonly rpc: string;
  /** @throws Error with the reason why the body is invalid. */
  readonly read: (body: JsonNode | undefined) => T;
  readonly call: (message: T, signal: AbortSignal) => Promise<Json>;
}

/** Handles a request of a JSON route. */
export async function serveGatewayCall<T>(
  instance: Instance,
  request: HttpRequest,
  { rpc, read, call }: GatewayCall<T>,
): Promise<HttpResponse> {
  try {
    const timeout = readDeadline(request);
    if ("rejection" in timeout) {
      const value = headerOf(request, "grpc-timeout");
      throw earlyError(Code.InvalidArgument, `invalid grpc-timeout: ${value}`);
    }
    const message = await readMessage(instance, request, read);
    const { deadline } = timeout;
    if (hasPassed(deadline)) {
      throw deadlineExceeded(true);
    }
    const response = await withDeadline(deadline, request.signal, (signal) =>
      call(message, signal),
    );
    return { ...gatewayResponse(instance, request, response), outcome: outcomeOf(rpc) };
  } catch (error) {
    if (error instanceof RpcError) {
      return { ...gatewayError(instance, request, error), outcome: outcomeOf(rpc, error) };
    }
    throw error;
  }
}

/** @throws RpcError `InvalidArgument` for invalid JSON, or JSON that does not fit the message. */
async function readMessage<T>(
  instance: Instance,
  request: HttpRequest,
  read: (body: JsonNode | undefined) => T,
): Promise<T> {
  const bytes = await readBody(request, maxBodyBytes);
  if (bytes === undefined) {
    throw earlyError(Code.ResourceExhausted, "http: request body too large");
  }
  try {
    return read(parseGoJson(Buffer.from(bytes).toString()));
  } catch (error) {
    if (error instanceof ProtoJsonError) {
      throw earlyError(Code.InvalidArgument, protoError(instance, error.message));
    }
    const cause = error instanceof Error ? error.message : String(error);
    throw earlyError(Code.InvalidArgument, cause);
  }
}
