import { create, fromBinary, fromJson, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { AuthService } from "../../../gen/tool/auth_pb.js";
import { AuthorizationService } from "../../../gen/tool/authorization_pb.js";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import { type HttpRuleMatch, matchRequest, readRequest } from "../../transports/json/match.js";
import { pathPrefix } from "../../transports/json/template.js";
import { apiCors, corsHeaders } from "../http/cors.js";
import {
  decodePath,
  type HttpRequest,
  type HttpResponse,
  headerOf,
  type Route,
  readBody,
} from "../http/http.js";
import { deadlineExceeded, earlyError, errorDetailTypeUrl, RpcError } from "../model/errors.js";
import { type Instance, requestIdHeader } from "../model/instance.js";
import { findMethod, gatewayMethods, type RpcMethod } from "../rpc/methods.js";
import { callRpc, checkRequest, hasPassed, outcomeOf, readDeadline } from "./grpc.js";

/** Tells browsers that the quota of authenticated requests is not exhausted. */
export const quotaCookie = ["zitadel.quota.exhausted=; Path=/; Max-Age=0; SameSite=Lax"] as const;

/** The HTTP status to which the gateway and Connect map a gRPC code. */
const httpStatusOfCode: Partial<Record<Code, number>> = {
  [Code.Canceled]: 499,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 400,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 501,
  [Code.Unavailable]: 503,
  [Code.Unauthenticated]: 401,
};

/** Where reading stops; JSON is longer than the 4 MiB message that it may encode. */
const maxBodyBytes = 64 * 1024 * 1024;

const prefixes = [ManagementService, AuthService].map((service) => pathPrefix(service));

/**
 * The JSON routes, as grpc-gateway serves them in front of the gRPC server: requests are matched by the
 * same `google.api.http` rules that the JSON transport builds them with.
 */
export function jsonRoute(instance: Instance): Route {
  return (request) => {
    const prefix = prefixes.find((each) => request.path.startsWith(each));
    if (prefix === undefined) {
      return undefined;
    }
    const path = request.path.slice(prefix.length);
    if (!path.startsWith("/")) {
      // The router matches a prefix, and the gateway gets a path that does not begin with a slash.
      return gatewayRejection(instance, request, 400, Code.InvalidArgument, "Bad Request");
    }
    const methods = gatewayMethods.filter(({ desc }) => pathPrefix(desc.parent) === prefix);
    const descs = methods.map(({ desc }) => desc);
    const match = matchRequest(descs, request.method, path);
    if (match === "method-not-allowed") {
      return gatewayRejection(instance, request, 405, Code.Unimplemented, "Method Not Allowed");
    }
    const method = methods.find(({ desc }) => desc === match?.binding.rpc);
    return match && method && serve(instance, request, method, gateway(instance, request, match));
  };
}

/** Unary Connect, over which v4 serves its newer services. https://connectrpc.com/docs/protocol */
export function connectRoute(instance: Instance): Route {
  return (request) => {
    const [, format] =
      /^application\/(json|proto)\b/.exec(headerOf(request, "content-type") ?? "") ?? [];
    const method = findMethod(instance, request.path);
    return request.method === "POST" &&
      format !== undefined &&
      method?.desc.parent === AuthorizationService
      ? serve(instance, request, method, connect(instance, request, method, format === "json"))
      : undefined;
  };
}

/** What a protocol of JSON makes of a request, and of the message or the error that it gets. */
interface JsonProtocol {
  readonly name: "gateway" | "other";
  /** @throws Error for what is not a message of the RPC. */
  readonly read: (bytes: Uint8Array) => Message;
  readonly success: (message: Message) => HttpResponse;
  readonly failure: (error: RpcError) => HttpResponse;
}

async function serve(
  instance: Instance,
  request: HttpRequest,
  method: RpcMethod,
  { name, read, success, failure }: JsonProtocol,
): Promise<HttpResponse> {
  const { desc } = method;
  try {
    const deadline = readDeadline(request);
    if (deadline === "malformed") {
      throw earlyError(Code.InvalidArgument, "invalid grpc-timeout");
    }
    const bytes = await readBody(request, maxBodyBytes);
    checkRequest(bytes === undefined ? maxBodyBytes : 0);
    const message = attempt(() => bytes && read(bytes));
    if (message === undefined) {
      throw earlyError(Code.InvalidArgument, "the body is not a message of this request");
    }
    checkRequest(toBinary(desc.input, message).byteLength);
    if (!/^[ -~]*$/.test(decodePath(request.path) ?? "")) {
      // The gateway passes the path on in a header.
      const header = `header key "zitadel-activity-path"`;
      throw earlyError(
        Code.Internal,
        `${header} contains value with non-printable ASCII characters`,
      );
    }
    if (hasPassed(deadline)) {
      throw deadlineExceeded(true);
    }
    const { response } = await callRpc(instance, request, method, message, deadline, name);
    return { ...success(response), outcome: outcomeOf(desc.name) };
  } catch (error) {
    if (error instanceof RpcError) {
      return { ...failure(error), outcome: outcomeOf(desc.name, error) };
    }
    throw error;
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

function gateway(instance: Instance, request: HttpRequest, match: HttpRuleMatch): JsonProtocol {
  return {
    name: "gateway",
    // A body of white space counts as absent.
    read: (bytes) => {
      const text = Buffer.from(bytes).toString();
      const body = text.trim() === "" ? undefined : JSON.parse(text, withoutNull);
      return readRequest(match, new URLSearchParams(request.query), body);
    },
    success: (message) => ({
      status: 200,
      headers: {
        ...callHeaders(instance),
        ...gatewayHeaders(instance, request),
        "set-cookie": quotaCookie,
        vary: "Origin, Cookie",
      },
      body: JSON.stringify(toJson(match.binding.rpc.output, message)),
    }),
    failure: (error) => ({
      status: httpStatusOfCode[error.code] ?? 500,
      headers: {
        ...(error.early ? {} : callHeaders(instance)),
        ...gatewayHeaders(instance, request),
        ...(error.code === Code.Unauthenticated ? { "www-authenticate": error.message } : {}),
      },
      body: errorJson(error),
    }),
  };
}

function connect(
  instance: Instance,
  request: HttpRequest,
  { desc }: RpcMethod,
  isJson: boolean,
): JsonProtocol {
  const headers = { ...requestIdHeader(instance), ...corsHeaders(instance, request, apiCors) };
  return {
    name: "other",
    read: (bytes) =>
      isJson
        ? fromJson(desc.input, JSON.parse(Buffer.from(bytes).toString() || "{}"), {
            ignoreUnknownFields: true,
          })
        : fromBinary(desc.input, bytes),
    success: (message) => ({
      status: 200,
      headers: { "content-type": isJson ? "application/json" : "application/proto", ...headers },
      body: isJson ? JSON.stringify(toJson(desc.output, message)) : toBinary(desc.output, message),
    }),
    failure: (error) => ({
      status: httpStatusOfCode[error.code] ?? 500,
      headers: { "content-type": "application/json", ...headers },
      body: connectErrorJson(error),
    }),
  };
}

/** A field that is null counts as absent, also one of a `oneof`. Texts of 64-bit numbers are decimal. */
function withoutNull(this: unknown, name: string, value: unknown): unknown {
  if (name === "offset" && typeof value === "string" && !/^\d+$/.test(value)) {
    throw new TypeError("not a number");
  }
  return value === null && !Array.isArray(this) ? undefined : value;
}

/** The gateway's own error: no such route, no such method, invalid JSON. */
export function gatewayRejection(
  instance: Instance,
  request: HttpRequest,
  status: number,
  code: Code,
  message: string,
): HttpResponse {
  return {
    status,
    headers: gatewayHeaders(instance, request),
    body: errorJson(new RpcError(code, message)),
  };
}

function errorJson({ code, message, id, text }: RpcError): string {
  const details =
    id === undefined ? {} : { details: [{ "@type": errorDetailTypeUrl, id, message: text }] };
  return JSON.stringify({ code, message, ...details });
}

function gatewayHeaders(instance: Instance, request: HttpRequest): Record<string, string> {
  return {
    "content-type": "application/json",
    ...requestIdHeader(instance),
    ...corsHeaders(instance, request, apiCors),
  };
}

/** The headers of the inner call, some of them passed under another name. */
function callHeaders(instance: Instance): Record<string, string> {
  return {
    "cache-control": "no-store",
    expires: new Date(instance.now()).toUTCString(),
    "grpcgateway-cache-control": "no-store",
    "grpcgateway-content-type": "application/grpc",
    "grpcgateway-pragma": "no-cache",
    pragma: "no-cache",
  };
}

function connectErrorJson({ code, message, id, text }: RpcError): string {
  const name = (Code[code] ?? "Unknown").replace(/\B[A-Z]/g, "_$&").toLowerCase();
  const detail = create(ErrorDetailSchema, { id: id ?? "", message: text });
  const value = Buffer.from(toBinary(ErrorDetailSchema, detail)).toString("base64");
  const details = [
    {
      type: ErrorDetailSchema.typeName,
      value: value.replace(/=+$/, ""),
      debug: { id, message: text },
    },
  ];
  return JSON.stringify({ code: name, message, ...(id === undefined ? {} : { details }) });
}
