import { apiCors, isPreflight, preflightResponse } from "./http/cors.js";
import type { Route } from "./http/http.js";
import { isOpenIdPath } from "./oauth/openid.js";
import { quotaCookie } from "./protocols/gateway.js";

/** Preflights of everything except gRPC-web. Those of the gateway carry its quota cookie. */
export const preflightRoute: Route = (request) => {
  if (!isPreflight(request)) {
    return undefined;
  }
  const response = preflightResponse(request, apiCors);
  return isOpenIdPath(request.path)
    ? response
    : {
        ...response,
        headers: {
          ...response.headers,
          "set-cookie": quotaCookie,
          vary: `${response.headers.vary}, Cookie`,
        },
      };
};
