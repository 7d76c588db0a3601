import { Code } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse, Route } from "./http/http.js";
import type { Instance } from "./model/instance.js";
import { authorizeRoute, loginRoute } from "./oauth/authorize.js";
import { discoveryRoute } from "./oauth/discovery.js";
import { endSessionRoute, signedOutRoute } from "./oauth/end-session.js";
import { keysRoute } from "./oauth/keys.js";
import { openIdInstanceRoute } from "./oauth/openid.js";
import { revokeRoute } from "./oauth/revoke.js";
import { tokenRoute } from "./oauth/token.js";
import { userinfoRoute } from "./oauth/userinfo.js";
import { preflightRoute } from "./preflight.js";
import { gatewayRefusal } from "./protocols/gateway.js";
import { grpcRoute } from "./protocols/grpc.js";
import { grpcWebRoute } from "./protocols/grpc-web.js";
import { healthRoute } from "./protocols/health.js";
import { jsonRoute } from "./protocols/json.js";
import { lookupRoute } from "./protocols/lookup/routes.js";
import { organizationRoute } from "./protocols/organization.js";

/** Answers a request with the first route that takes it, or with the gateway's `Not Found`. */
export function createDispatch(
  instance: Instance,
): (request: HttpRequest) => Promise<HttpResponse> {
  // The order is ZITADEL's. A new kind of endpoint is a function in a file of its own that takes the
  // instance and returns a Route; it goes into this list, and is asked after those above it.
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
    organizationRoute(instance),
    lookupRoute(instance),
    jsonRoute(instance),
  ];
  return async (request) => {
    const cleaned = cleanPath(request.path);
    if (cleaned !== request.path) {
      const query = request.query === "" ? "" : `?${request.query}`;
      return { status: 301, headers: { location: cleaned + query } };
    }
    for (const route of routes) {
      const response = await route(request);
      if (response !== undefined) {
        return withRobotsTag(response);
      }
    }
    return withRobotsTag(gatewayRefusal(instance, request, 404, Code.NotFound, "Not Found"));
  };
}

function withRobotsTag(response: HttpResponse): HttpResponse {
  return { ...response, headers: { ...response.headers, "x-robots-tag": "none" } };
}

/** The server redirects a path with empty or dot segments to the one without. */
function cleanPath(path: string): string {
  if (!/\/\/|\/\.\.?(\/|$)/.test(path)) {
    return path;
  }
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") {
      segments.pop();
    } else if (segment !== "" && segment !== ".") {
      segments.push(segment);
    }
  }
  return `/${segments.join("/")}${path.endsWith("/") && segments.length > 0 ? "/" : ""}`;
}
