import { headerOf, plainTextError, type Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { readDeadline, respondToRpc } from "./rpc.js";

/** The subtypes that ZITADEL routes to its gRPC server. `json` is also read and written as binary. */
const contentType = /^application\/grpc(\+proto|\+json)?$/;

/** Native gRPC. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function grpcRoute(instance: Instance): Route {
  return async (request) => {
    const type = headerOf(request, "content-type") ?? "";
    if (request.httpVersion !== 2 || request.method !== "POST" || !contentType.test(type)) {
      return undefined;
    }
    const deadline = readDeadline(request);
    if (deadline === "malformed") {
      return plainTextError(400, "malformed grpc-timeout");
    }
    const noticesDeadline = instance.generation === "v4" ? "looking-up" : "reading";
    const response = await respondToRpc(instance, request, request.body, deadline, noticesDeadline);
    return {
      status: 200,
      headers: {
        "content-type": type,
        trailer: "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin",
        ...response.headers,
      },
      body: response.frame,
      trailers: response.trailers,
      streamed: true,
      outcome: response.outcome,
    };
  };
}
