import { headerOf, type Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { readDeadline } from "./grpc-timeout.js";
import { answerRpc } from "./rpc.js";

/** The subtypes that ZITADEL routes to its gRPC server. `json` too is read and written as binary. */
const contentType = /^application\/grpc(\+proto|\+json)?$/;

/** Native gRPC. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function grpcRoute(instance: Instance): Route {
  return async (request) => {
    const type = headerOf(request, "content-type") ?? "";
    if (request.httpVersion !== 2 || request.method !== "POST" || !contentType.test(type)) {
      return undefined;
    }
    const timeout = readDeadline(request);
    if ("refusal" in timeout) {
      return timeout.refusal;
    }
    const noticesDeadline = instance.generation === "v4" ? "looking-up" : "reading";
    const answer = await answerRpc(
      instance,
      request,
      request.body,
      timeout.deadline,
      noticesDeadline,
    );
    return {
      status: 200,
      headers: {
        "content-type": type,
        trailer: "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin",
        ...answer.headers,
      },
      body: answer.frame,
      trailers: answer.trailers,
      streamed: true,
      outcome: answer.outcome,
    };
  };
}
