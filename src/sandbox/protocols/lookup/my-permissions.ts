import type { Route } from "../../http/http.js";
import type { Instance } from "../../model/instance.js";
import { checkInstance } from "../../model/instance-host.js";
import { listPermissions } from "../../model/permissions.js";
import { serveGatewayCall } from "../gateway-call.js";

/**
 * `ListMyZitadelPermissions` of the auth API, only as JSON: what the caller may do in the organization of the
 * call. Every account may call it; the list is omitted if it is empty.
 */
export function myPermissionsRoute(instance: Instance): Route {
  return (request) => {
    if (request.method !== "POST" || request.path !== "/auth/v1/permissions/zitadel/me/_search") {
      return undefined;
    }
    return serveGatewayCall(instance, request, {
      rpc: "ListMyZitadelPermissions",
      read: () => undefined,
      async call() {
        checkInstance(instance, request);
        const result = listPermissions(instance, request);
        return result.length > 0 ? { result } : {};
      },
    });
  };
}
