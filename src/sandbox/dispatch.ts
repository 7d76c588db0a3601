import { Code } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse, Route } from "./http/http.js";
import { redirectPath } from "./http/path.js";
import { tooManyRequests } from "./http/rate-limit.js";
import { ResponseLost } from "./model/faults.js";
import type { Instance } from "./model/instance.js";
import { authorizeRoute, loginRoute } from "./oauth/authorize.js";
import { discoveryRoute } from "./oauth/discovery.js";
import { endSessionRoute, signedOutRoute } from "./oauth/end-session.js";
import { keysRoute } from "./oauth/keys.js";
import { openIdInstanceRoute } from "./oauth/openid.js";
import { revokeRoute } from "./oauth/revoke.js";
import { tokenRoute } from "./oauth/token.js";
import { userinfoRoute } from "./oauth/userinfo.js";
import type { SandboxRequest } from "./options.js";
import { preflightRoute } from "./preflight.js";
import { gatewayRejection } from "./protocols/gateway.js";
import { grpcRoute } from "./protocols/grpc.js";
import { grpcWebRoute } from "./protocols/grpc-web.js";
import { healthRoute } from "./protocols/health.js";
import { jsonRoute } from "./protocols/json.js";
import { myPermissionsRoute } from "./protocols/lookup/my-permissions.js";
import { lookupRoute } from "./protocols/lookup/routes.js";

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
    const response = allows() ? await respond(request).catch(lostResponse) : tooManyRequests;
    onRequest?.(summaryOf(request, response));
    return response;
  };
}

function lostResponse(error: unknown): HttpResponse {
  if (error instanceof ResponseLost) {
    return { status: 0, headers: {}, lost: true };
  }
  throw error;
}

function summaryOf({ method, path }: HttpRequest, response: HttpResponse): SandboxRequest {
  const { outcome, lost, status } = response;
  return outcome === undefined
    ? {
        method: `${method} ${path}`,
        outcome: lost === true ? "response lost" : `HTTP ${status}`,
        id: undefined,
      }
    : { method: outcome.rpc, outcome: outcome.code, id: outcome.id };
}

/** Go's response to a request that its HTTP server cannot parse. */
const malformedRequest: HttpResponse = {
  status: 400,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "400 Bad Request",
};

/** Responds with the first route that handles a request, or with the gateway's `Not Found`. */
function createRouter(instance: Instance): Dispatch {
  // The order is ZITADEL's. A new kind of endpoint is a function in a file of its own that takes the instance
  // and returns a Route; it goes into this list, and is tried after those above it.
  const routes: readonly Route[] = [
    healthRoute,
    grpcRoute(instance),
    grpcWebRoute(instance),
    preflightRoute,
    openIdInstanceRoute(instance),
    userinfoRoute(instance),
    discoveryRoute(instance),
    keysRoute(instance),
    tokenRoute(instance),
    authorizeRoute(instance),
    loginRoute(instance),
    revokeRoute(instance),
    endSessionRoute(instance),
    signedOutRoute,
    lookupRoute(instance),
    myPermissionsRoute(instance),
    jsonRoute(instance),
  ];
  return async (request) => {
    if (/%(?![\da-f]{2})/i.test(request.path)) {
      return malformedRequest;
    }
    const cleaned = redirectPath(request.path);
    if (cleaned !== undefined) {
      const query = request.query === "" ? "" : `?${request.query}`;
      return { status: 301, headers: { location: cleaned + query } };
    }
    for (const route of routes) {
      const response = await route(request);
      if (response !== undefined) {
        return withRobotsTag(response);
      }
    }
    return withRobotsTag(gatewayRejection(instance, request, 404, Code.NotFound, "Not Found"));
  };
}

function withRobotsTag(response: HttpResponse): HttpResponse {
  return { ...response, headers: { ...response.headers, "x-robots-tag": "none" } };
}
