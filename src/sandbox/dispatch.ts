import { Code } from "@connectrpc/connect";
import { apiCors, isPreflight, preflightResponse } from "./http/cors.js";
import {
  type HttpRequest,
  type HttpResponse,
  plainTextError,
  type Route,
  redirectPath,
  tooManyRequests,
} from "./http/http.js";
import type { Instance } from "./model/instance.js";
import { isOpenIdPath, openIdRoute } from "./oauth/endpoints.js";
import type { SandboxRequest } from "./options.js";
import { grpcRoute } from "./protocols/grpc.js";
import { grpcWebRoute } from "./protocols/grpc-web.js";
import { connectRoute, gatewayRejection, jsonRoute, quotaCookie } from "./protocols/json.js";

export type Dispatch = (request: HttpRequest) => Promise<HttpResponse>;

/**
 * Creates the handler of all requests.
 *
 * @param allows whether one more request is within the rate limit.
 * @param onRequest is called with each request after its response has been built.
 */
export function createDispatch(
  instance: Instance,
  allows: () => boolean,
  onRequest: ((request: SandboxRequest) => void) | undefined,
): Dispatch {
  const respond = createRouter(instance);
  return async (request) => {
    const response = allows() ? await respond(request) : tooManyRequests;
    const { summary, status } = response;
    const method = `${request.method} ${request.path}`;
    onRequest?.(summary ?? { method, outcome: `HTTP ${status}`, id: undefined });
    return response;
  };
}

/** Responds with the first route that handles a request, or with the gateway's `Not Found`. */
function createRouter(instance: Instance): Dispatch {
  // The order is ZITADEL's. A new kind of endpoint is a function in a file of its own that takes the instance
  // and returns a Route; it goes into this list, and is tried after those above it.
  const routes: readonly Route[] = [
    healthRoute,
    grpcRoute(instance),
    grpcWebRoute(instance),
    preflightRoute(instance),
    connectRoute(instance),
    openIdRoute(instance),
    jsonRoute(instance),
  ];
  return async (request) => {
    if (/%(?![\da-f]{2})/i.test(request.path)) {
      return plainTextError(400, "400 Bad Request");
    }
    const cleaned = redirectPath(request.path);
    if (cleaned !== undefined) {
      const query = request.query === "" ? "" : `?${request.query}`;
      return { status: 301, headers: { location: cleaned + query } };
    }
    let response: HttpResponse | undefined;
    for (const route of routes) {
      response ??= await route(request);
    }
    response ??= gatewayRejection(instance, request, 404, Code.NotFound, "Not Found");
    return { ...response, headers: { ...response.headers, "x-robots-tag": "none" } };
  };
}

/** `/debug/healthz` and `/debug/ready`, which need neither token nor instance. */
const healthRoute: Route = ({ path }) => {
  switch (path) {
    case "/debug/healthz":
      return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: "ok" };
    case "/debug/ready":
      return { status: 200, headers: { "content-type": "application/json" }, body: '"ok"' };
    default:
      return undefined;
  }
};

/** Preflights of everything except gRPC-web. Those of the gateway carry its quota cookie. */
function preflightRoute(instance: Instance): Route {
  return (request) => {
    if (!isPreflight(request)) {
      return undefined;
    }
    const response = preflightResponse(instance, request, apiCors);
    const vary = `${response.headers.vary}, Cookie`;
    return isOpenIdPath(request.path)
      ? response
      : { ...response, headers: { ...response.headers, "set-cookie": quotaCookie, vary } };
  };
}
