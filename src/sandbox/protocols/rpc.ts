import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { platform } from "../../common/environment.js";
import { type HttpRequest, headerOf, type RpcOutcome } from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError, statusTrailers } from "../model/errors.js";
import { type Instance, protoError } from "../model/instance.js";
import { instanceLookupTimedOut } from "../model/instance-host.js";
import { type ManagementMethod, managementMethods } from "../model/management.js";
import { checkEncoding, frameMessage, readMessage } from "./grpc-message.js";

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

/** A deadline: how long a call may take, from its arrival. */
export interface Deadline {
  readonly timeoutMs: number;
  readonly startedAtMs: number;
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
  try {
    const method = findMethod(request.path);
    checkEncoding(encoding);
    if (encoding === "gzip") {
      headers["grpc-encoding"] = encoding;
    }
    const bytes = await readMessage(body, encoding, instance.generation);
    if (noticesDeadline === "reading" && hasPassed(deadline)) {
      throw deadlineExceeded(true);
    }
    const message = parse(instance, method, bytes);
    Object.assign(headers, interceptorHeaders(instance));
    if (hasPassed(deadline)) {
      throw instanceLookupTimedOut(instance, request);
    }
    const response = await withDeadline(deadline, request.signal, (signal) =>
      method.call(instance, request, message, signal),
    );
    const frame = frameMessage(toBinary(method.desc.output, response), encoding);
    return {
      headers,
      frame,
      trailers: statusTrailers(undefined),
      outcome: outcomeOf(rpcOf(request)),
      early: false,
    };
  } catch (error) {
    if (error instanceof RpcError) {
      return {
        headers,
        frame: undefined,
        trailers: statusTrailers(error),
        outcome: outcomeOf(rpcOf(request), error),
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
    ...instance.requestIdHeader(),
  };
}

/**
 * Runs the call until it settles or its deadline passes.
 *
 * @throws RpcError `DeadlineExceeded`
 */
export async function withDeadline<T>(
  deadline: Deadline | undefined,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (deadline === undefined) {
    return run(signal);
  }
  const controller = new AbortController();
  const leftMs = deadline.startedAtMs + deadline.timeoutMs - platform.monotonicMs();
  const cancelTimer = platform.setTimer(() => controller.abort(deadlineExceeded(false)), leftMs);
  try {
    return await run(AbortSignal.any([signal, controller.signal]));
  } finally {
    cancelTimer();
  }
}

export function hasPassed(deadline: Deadline | undefined): boolean {
  return (
    deadline !== undefined && platform.monotonicMs() - deadline.startedAtMs >= deadline.timeoutMs
  );
}

export function outcomeOf(rpc: string, error?: RpcError): RpcOutcome {
  return { rpc, code: error === undefined ? "OK" : (Code[error.code] ?? "Unknown"), id: error?.id };
}

function rpcOf({ path }: HttpRequest): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function findMethod(path: string): ManagementMethod {
  const method = managementMethods.get(path);
  if (method !== undefined) {
    return method;
  }
  const slash = path.lastIndexOf("/");
  if (slash < 1) {
    throw earlyError(Code.Unimplemented, `malformed method name: "${path}"`);
  }
  const service = path.slice(1, slash);
  throw earlyError(
    Code.Unimplemented,
    service === ManagementService.typeName
      ? `unknown method ${path.slice(slash + 1)} for service ${service}`
      : `unknown service ${service}`,
  );
}

function parse(instance: Instance, method: ManagementMethod, bytes: Uint8Array) {
  try {
    return fromBinary(method.desc.input, bytes);
  } catch (error) {
    // A text decoder throws TypeError for invalid UTF-8.
    const cause =
      error instanceof TypeError
        ? "string field contains invalid UTF-8"
        : protoError(instance, "cannot parse invalid wire-format data");
    throw earlyError(Code.Internal, `grpc: error unmarshalling request: ${cause}`);
  }
}
