import { exportJWK } from "jose";
import type { Route } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { openIdResponse } from "./openid.js";

/** `/oauth/v2/keys`: the keys for verifying ID tokens. RFC 7517. */
export function keysRoute(instance: Instance): Route {
  return async (request) => {
    if (request.path !== "/oauth/v2/keys" || request.method !== "GET") {
      return undefined;
    }
    const { keyId, publicKey } = await instance.oauth.signingKey();
    const key = { use: "sig", kid: keyId, alg: "RS256", ...(await exportJWK(publicKey)) };
    return openIdResponse(instance, request, 200, { keys: [key] });
  };
}
