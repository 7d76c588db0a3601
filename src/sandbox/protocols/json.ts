import type { JsonValue } from "@bufbuild/protobuf";
import { toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { pathPrefix } from "../../transports/json/http-rule/bindings.js";
import {
  type HttpRuleMatch,
  matchRequest,
  readRequest,
} from "../../transports/json/http-rule/match.js";
import {
  type HttpRequest,
  type HttpResponse,
  headerOf,
  type Route,
  readBody,
} from "../http/http.js";
import { deadlineExceeded, earlyError, RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { managementMethods } from "../model/management.js";
import { gatewayAnswer, gatewayError, gatewayRefusal } from "./gateway.js";
import { parseGoJson } from "./go-json.js";
import { checkLength } from "./grpc-message.js";
import { readDeadline } from "./grpc-timeout.js";
import { hasPassed, withDeadline } from "./rpc.js";

/** Where reading stops; JSON is longer than the message of 4 MiB that it may hold. */
const maxBodyBytes = 64 * 1024 * 1024;

/**
 * The JSON routes, as grpc-gateway serves them in front of the gRPC server: requests are matched by the
 * same `google.api.http` rules that the JSON transport builds them with.
 */
export function jsonRoute(instance: Instance): Route {
  const prefix = pathPrefix(ManagementService);
  return (request) => {
    if (!request.path.startsWith(`${prefix}/`)) {
      return undefined;
    }
    const path = request.path.slice(prefix.length);
    const match = matchRequest(ManagementService.methods, request.method, path);
    return match === "method-not-allowed"
      ? gatewayRefusal(instance, request, 405, Code.Unimplemented, "Method Not Allowed")
      : match && serve(instance, request, match);
  };
}

async function serve(
  instance: Instance,
  request: HttpRequest,
  match: HttpRuleMatch,
): Promise<HttpResponse> {
  const { desc, call } = methodOf(match);
  try {
    const timeout = readDeadline(request);
    if ("refusal" in timeout) {
      const value = headerOf(request, "grpc-timeout");
      throw earlyError(Code.InvalidArgument, `invalid grpc-timeout: ${value}`);
    }
    const message = await readMessage(request, match);
    const { deadline } = timeout;
    if (hasPassed(deadline)) {
      throw deadlineExceeded(true);
    }
    checkLength(toBinary(desc.input, message).byteLength);
    const answer = await withDeadline(deadline, request.signal, (signal) =>
      call(instance, request, message, signal),
    );
    return gatewayAnswer(instance, request, toJson(desc.output, answer));
  } catch (error) {
    if (error instanceof RpcError) {
      return gatewayError(instance, request, error);
    }
    throw error;
  }
}

function methodOf({ binding: { rpc } }: HttpRuleMatch) {
  const method = managementMethods.get(`/${rpc.parent.typeName}/${rpc.name}`);
  if (method === undefined) {
    throw new Error(`${rpc} has a route and no implementation`);
  }
  return method;
}

/** @throws RpcError `InvalidArgument` for what is not JSON, or not of the message. */
async function readMessage(request: HttpRequest, match: HttpRuleMatch) {
  const bytes = await readBody(request, maxBodyBytes);
  if (bytes === undefined) {
    throw earlyError(Code.ResourceExhausted, "http: request body too large");
  }
  try {
    const body: JsonValue | undefined = parseGoJson(Buffer.from(bytes).toString());
    return readRequest(match, new URLSearchParams(request.query), body);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw earlyError(Code.InvalidArgument, cause);
  }
}
