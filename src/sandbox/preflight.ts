import { apiCors, isPreflight, preflightResponse } from "./cors.js";
import { quotaCookie } from "./gateway.js";
import type { Route } from "./http.js";
import { isOpenIdPath } from "./openid.js";

/** Preflights of everything that is not gRPC-web. Those of the gateway carry its quota cookie. */
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
