import { type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { pathPrefix } from "../../transports/json/http-rule/bindings.js";
import {
  type HttpRuleMatch,
  matchRequest,
  readRequest,
} from "../../transports/json/http-rule/match.js";
import type { HttpRequest, HttpResponse, Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { managementMethods } from "../model/management.js";
import { gatewayRejection } from "./gateway.js";
import { serveGatewayCall } from "./gateway-call.js";
import { checkLength } from "./grpc-message.js";
import { textsOf } from "./proto-json.js";

/**
 * The JSON routes, as grpc-gateway serves them in front of the gRPC server: requests are matched by the
 * same `google.api.http` rules that the JSON transport builds them with.
 */
export function jsonRoute(instance: Instance): Route {
  const prefix = pathPrefix(ManagementService);
  return (request) => {
    if (!request.path.startsWith(prefix)) {
      return undefined;
    }
    if (request.path[prefix.length] !== "/") {
      // The router matches a prefix, and the gateway gets a path that does not begin with a slash.
      return gatewayRejection(instance, request, 400, Code.InvalidArgument, "Bad Request");
    }
    const path = request.path.slice(prefix.length);
    const match = matchRequest(ManagementService.methods, request.method, path);
    return match === "method-not-allowed"
      ? gatewayRejection(instance, request, 405, Code.Unimplemented, "Method Not Allowed")
      : match && serve(instance, request, match);
  };
}

function serve(
  instance: Instance,
  request: HttpRequest,
  match: HttpRuleMatch,
): Promise<HttpResponse> {
  const { desc, call } = methodOf(match);
  return serveGatewayCall(instance, request, {
    rpc: desc.name,
    read: (body) =>
      readRequest(
        match,
        new URLSearchParams(request.query),
        body && ({ ...textsOf(desc.input)(body, "") } as JsonObject),
      ),
    call: async (message, signal) => {
      checkLength(toBinary(desc.input, message).byteLength);
      return toJson(desc.output, await call(instance, request, message, signal));
    },
  });
}

function methodOf({ binding: { rpc } }: HttpRuleMatch) {
  const method = managementMethods.get(`/${rpc.parent.typeName}/${rpc.name}`);
  if (method === undefined) {
    throw new Error(`${rpc} has a route and no implementation`);
  }
  return method;
}
