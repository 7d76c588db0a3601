import {
  fromBinary,
  fromJson,
  getOption,
  type Message,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { http } from "../../../gen/google/api/annotations_pb.js";
import { AuthorizationService } from "../../../gen/tool/authorization_pb.js";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import { pathPrefix } from "../../transports/json/template.js";
import { corsHeaders } from "../http/cors.js";
import { decodePath, type HttpRequest, type HttpResponse, type Route } from "../http/http.js";
import { earlyError, RpcError, toConnectError } from "../model/errors.js";
import { type Instance, requestIdHeader } from "../model/instance.js";
import { findMethod, gatewayMethods, type RpcMethod } from "../rpc/methods.js";
import { checkRequestSize, type Reply, respondToCall } from "./call.js";

/** Tells browsers that the quota of authenticated requests is not exhausted. */
export const quotaCookie = "zitadel.quota.exhausted=; Path=/; Max-Age=0; SameSite=Lax";

/** Where RPCs are in the gateway: their `google.api.http` rules. */
const gatewayRoutes = gatewayMethods.map((method) => {
  const { pattern, body } = getOption(method.desc, http);
  const path = `${pathPrefix(method.desc.parent)}${pattern.value}`.replace(
    /\{(\w+)\}/g,
    (_, name: string) =>
      `(?<${method.desc.input.fields.find((field) => field.name === name)?.localName}>[^/]+)`,
  );
  return {
    method,
    verb: pattern.case?.toUpperCase() ?? "",
    /** Of the decoded path, with a group for each of its variables: top-level fields that are strings. */
    path: new RegExp(`^${path}$`),
    hasBody: body === "*",
  };
});

/** The JSON routes, as grpc-gateway serves them in front of the gRPC server. */
export function jsonRoute(instance: Instance): Route {
  return (request) => {
    const [, rest] = /^\/(?:management|auth)\/v1(.*)$/.exec(request.path) ?? [];
    if (rest === undefined) {
      return undefined;
    }
    if (!rest.startsWith("/")) {
      // The router matches a prefix, and the gateway gets a path that does not begin with a slash.
      return gatewayRejection(instance, request, 400, Code.InvalidArgument, "Bad Request");
    }
    // It is decoded as a whole, so an encoded slash separates, too.
    const path = decodePath(request.path) ?? "";
    const matching = gatewayRoutes.filter((route) => route.path.test(path));
    const route = matching.find(({ verb }) => verb === request.method);
    if (route === undefined) {
      return matching.length === 0
        ? undefined
        : gatewayRejection(instance, request, 405, Code.Unimplemented, "Method Not Allowed");
    }
    return respondToCall(instance, request, route.method, {
      isGateway: true,
      noticesDeadline: "reading",
      decode: (body) => decodeGateway(route, path, body),
      encode: (reply) => encodeGateway(instance, request, route.method, reply),
    });
  };
}

function decodeGateway(
  { method, path, hasBody }: (typeof gatewayRoutes)[number],
  requestPath: string,
  body: Buffer,
) {
  const { input } = method.desc;
  // A body of white space counts as absent.
  const text = (hasBody ? body.toString().trim() : "") || "{}";
  const message = orInvalid(() =>
    fromJson(input, JSON.parse(text, asInGo), { ignoreUnknownFields: true }),
  );
  Object.assign(message, path.exec(requestPath)?.groups);
  checkRequestSize(toBinary(input, message).byteLength);
  if (!/^[ -~]*$/.test(requestPath)) {
    // The gateway passes the path on in a header.
    throw earlyError(
      Code.Internal,
      `header key "zitadel-activity-path" contains value with non-printable ASCII characters`,
    );
  }
  return message;
}

/** A field that is null counts as absent, also one of a `oneof`. Texts of 64-bit numbers are decimal. */
function asInGo(this: unknown, name: string, value: unknown): unknown {
  if (name === "offset" && typeof value === "string" && !/^\d+$/.test(value)) {
    throw new TypeError("not a number");
  }
  return value === null && !Array.isArray(this) ? undefined : value;
}

function encodeGateway(
  instance: Instance,
  request: HttpRequest,
  { desc }: RpcMethod,
  { message, error }: Reply,
): HttpResponse {
  // Those of the inner call, some of them passed under another name.
  const ofCall = {
    "cache-control": "no-store",
    expires: new Date(instance.now()).toUTCString(),
    "grpcgateway-cache-control": "no-store",
    "grpcgateway-content-type": "application/grpc",
    "grpcgateway-pragma": "no-cache",
    pragma: "no-cache",
  };
  const headers = gatewayHeaders(instance, request);
  return error === undefined
    ? {
        status: 200,
        headers: { ...ofCall, ...headers, "set-cookie": quotaCookie, vary: "Origin, Cookie" },
        body: JSON.stringify(toJson(desc.output, message)),
      }
    : {
        status: codeToHttpStatus(error.code),
        headers: {
          ...(error.early ? {} : ofCall),
          ...headers,
          ...(error.code === Code.Unauthenticated ? { "www-authenticate": error.message } : {}),
        },
        body: gatewayErrorJson(error),
      };
}

/** The gateway's own error: no such route, no such method, invalid JSON. */
export function gatewayRejection(
  instance: Instance,
  request: HttpRequest,
  status: number,
  code: Code,
  message: string,
): HttpResponse {
  const body = gatewayErrorJson(new RpcError(code, message));
  return { status, headers: gatewayHeaders(instance, request), body };
}

function gatewayErrorJson({ code, message, id, text }: RpcError): string {
  const type = `type.googleapis.com/${ErrorDetailSchema.typeName}`;
  const details = id === undefined ? {} : { details: [{ "@type": type, id, message: text }] };
  return JSON.stringify({ code, message, ...details });
}

function gatewayHeaders(instance: Instance, request: HttpRequest): Record<string, string> {
  return {
    "content-type": "application/json",
    ...requestIdHeader(instance),
    ...corsHeaders(instance, request),
  };
}

/** Unary Connect, over which v4 serves its newer services. https://connectrpc.com/docs/protocol */
export function connectRoute(instance: Instance): Route {
  return (request) => {
    const [type, format] =
      /^application\/(json|proto)\b/.exec(request.headers["content-type"] ?? "") ?? [];
    const method = findMethod(instance, request.path);
    if (
      request.method !== "POST" ||
      type === undefined ||
      method?.desc.parent !== AuthorizationService
    ) {
      return undefined;
    }
    const { input, output } = method.desc;
    const isJson = format === "json";
    return respondToCall(instance, request, method, {
      isGateway: false,
      noticesDeadline: "reading",
      decode: (body) =>
        orInvalid(() =>
          isJson
            ? fromJson(input, JSON.parse(body.toString() || "{}"), { ignoreUnknownFields: true })
            : fromBinary(input, body),
        ),
      encode: ({ error, message, bytes }) => {
        const headers = gatewayHeaders(instance, request);
        return error === undefined
          ? {
              status: 200,
              headers: { ...headers, "content-type": type },
              body: isJson ? JSON.stringify(toJson(output, message)) : bytes,
            }
          : {
              status: codeToHttpStatus(error.code),
              headers,
              body: JSON.stringify(errorToJson(toConnectError(error), undefined)),
            };
      },
    });
  };
}

function orInvalid(decode: () => Message): Message {
  try {
    return decode();
  } catch {
    throw earlyError(Code.InvalidArgument, "the body is not a message of this request");
  }
}
