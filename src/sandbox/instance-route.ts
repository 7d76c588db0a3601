import { RpcError } from "./errors.js";
import { plainTextError, type Route } from "./http.js";
import type { Instance } from "./instance.js";
import { checkInstance } from "./instance-host.js";

/** Refuses OpenID Connect requests to a host that is no domain of the instance; takes no others. */
export function checkInstanceRoute(instance: Instance): Route {
  return (request) => {
    if (!/^\/(oauth|oidc|\.well-known)\//.test(request.path)) {
      return undefined;
    }
    try {
      checkInstance(instance, request);
      return undefined;
    } catch (error) {
      if (error instanceof RpcError) {
        return plainTextError(404, error.message);
      }
      throw error;
    }
  };
}
