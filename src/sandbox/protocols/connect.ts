import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { AuthorizationService } from "../../../gen/tool/authorization_pb.js";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import { apiCors, corsHeaders } from "../http/cors.js";
import {
  type HttpRequest,
  type HttpResponse,
  headerOf,
  type Route,
  readBody,
} from "../http/http.js";
import { RpcError } from "../model/errors.js";
import { type Instance, requestIdHeader } from "../model/instance.js";
import { checkResponse, findMethod, maxResponseBytes, type RpcMethod } from "../rpc/methods.js";
import { httpStatusOfCode } from "./gateway.js";
import { outcomeOf } from "./rpc.js";

const maxBodyBytes = 4 * 1024 * 1024;

/** Unary Connect, over which v4 serves its newer services. https://connectrpc.com/docs/protocol */
export function connectRoute(instance: Instance): Route {
  return (request) => {
    const type = headerOf(request, "content-type") ?? "";
    const method = findMethod(instance, request.path);
    return request.method === "POST" &&
      /^application\/(json|proto)\b/.test(type) &&
      method?.desc.parent === AuthorizationService
      ? serve(instance, request, method, type.startsWith("application/json"))
      : undefined;
  };
}

async function serve(
  instance: Instance,
  request: HttpRequest,
  { desc, call }: RpcMethod,
  isJson: boolean,
): Promise<HttpResponse> {
  const headers = { ...requestIdHeader(instance), ...corsHeaders(instance, request, apiCors) };
  const { signal } = request;
  try {
    const message = await readMessage(request, desc, isJson);
    const maxBytes = maxResponseBytes(instance, "other");
    const response = await call(instance, { request, signal, maxResponseBytes: maxBytes }, message);
    const binary = toBinary(desc.output, response);
    checkResponse(binary.byteLength, maxBytes, instance);
    return {
      status: 200,
      headers: { "content-type": isJson ? "application/json" : "application/proto", ...headers },
      body: isJson ? JSON.stringify(toJson(desc.output, response)) : binary,
      outcome: outcomeOf(desc.name),
    };
  } catch (error) {
    if (error instanceof RpcError) {
      return {
        status: httpStatusOfCode[error.code] ?? 500,
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(errorJson(error)),
        outcome: outcomeOf(desc.name, error),
      };
    }
    throw error;
  }
}

async function readMessage(request: HttpRequest, desc: RpcMethod["desc"], isJson: boolean) {
  const bytes = await readBody(request, maxBodyBytes);
  if (bytes === undefined) {
    throw new RpcError(Code.ResourceExhausted, "the message is too large");
  }
  try {
    return isJson
      ? fromJson(desc.input, JSON.parse(Buffer.from(bytes).toString() || "{}"), {
          ignoreUnknownFields: true,
        })
      : fromBinary(desc.input, bytes);
  } catch {
    throw new RpcError(Code.InvalidArgument, "the body is not a message of this request");
  }
}

function errorJson({ code, message, id, text }: RpcError) {
  const name = (Code[code] ?? "Unknown").replace(/\B[A-Z]/g, "_$&").toLowerCase();
  if (id === undefined) {
    return { code: name, message };
  }
  const detail = create(ErrorDetailSchema, { id, message: text });
  const value = Buffer.from(toBinary(ErrorDetailSchema, detail)).toString("base64");
  return {
    code: name,
    message,
    details: [
      {
        type: ErrorDetailSchema.typeName,
        value: value.replace(/=+$/, ""),
        debug: { id, message: text },
      },
    ],
  };
}
