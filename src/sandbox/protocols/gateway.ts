import type { JsonValue } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { actualCorsHeaders, apiCors } from "../http/cors.js";
import type { HttpRequest, HttpResponse } from "../http/http.js";
import { errorDetailTypeUrl, RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";

export type Json = JsonValue | readonly Json[] | { readonly [key: string]: Json };

/** Tells browsers that the quota of authenticated requests is not exhausted. */
export const quotaCookie = ["zitadel.quota.exhausted=; Path=/; Max-Age=0; SameSite=Lax"] as const;

/** The HTTP status to which the gateway maps a gRPC code. */
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

/** The gateway's response to a call whose gRPC response is a message. */
export function gatewayResponse(
  instance: Instance,
  request: HttpRequest,
  value: Json,
): HttpResponse {
  return {
    status: 200,
    headers: {
      ...callHeaders(instance),
      ...gatewayHeaders(instance, request),
      "set-cookie": quotaCookie,
      vary: "Origin, Cookie",
    },
    body: protoJson(instance, value),
  };
}

/** The gateway's response to a call whose gRPC response is an error. */
export function gatewayError(
  instance: Instance,
  request: HttpRequest,
  error: RpcError,
): HttpResponse {
  return {
    status: httpStatusOfCode[error.code] ?? 500,
    headers: {
      ...(error.early ? {} : callHeaders(instance)),
      ...gatewayHeaders(instance, request),
      ...(error.code === Code.Unauthenticated ? { "www-authenticate": error.message } : {}),
    },
    body: errorJson(instance, error),
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
  return {
    status,
    headers: gatewayHeaders(instance, request),
    body: errorJson(instance, new RpcError(code, message)),
  };
}

/** The output of protojson: each build of it puts a space after commas, or does not. */
function protoJson(instance: Instance, value: Json): string {
  return instance.generation === "v4" ? spacedJson(value) : JSON.stringify(value);
}

function spacedJson(value: Json): string {
  if (typeof value === "string") {
    return quoted(value);
  }
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value);
  }
  // Loops, and not map and join: a page of grants has tens of thousands of members.
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) {
      text += text === "" ? spacedJson(item) : `, ${spacedJson(item)}`;
    }
    return `[${text}]`;
  }
  const members = value as { readonly [name: string]: Json };
  for (const name in members) {
    const member = `${quoted(name)}:${spacedJson(members[name] as Json)}`;
    text += text === "" ? member : `, ${member}`;
  }
  return `{${text}}`;
}

function quoted(text: string): string {
  return /[^ !#-[\]-~]/.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function errorJson(instance: Instance, error: RpcError): string {
  const details =
    error.id === undefined
      ? {}
      : { details: [{ "@type": errorDetailTypeUrl, id: error.id, message: error.text }] };
  return protoJson(instance, { code: error.code, message: error.message, ...details });
}

function gatewayHeaders(instance: Instance, request: HttpRequest): Record<string, string> {
  return {
    "content-type": "application/json",
    ...instance.requestIdHeader(),
    ...actualCorsHeaders(request, apiCors),
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
