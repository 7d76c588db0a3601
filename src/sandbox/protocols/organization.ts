import type { Route } from "../http/http.js";
import { RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { checkInstance } from "../model/instance-host.js";
import { authorize } from "../model/permissions.js";
import { orgDomain } from "../model/search/user-grants.js";
import { gatewayAnswer, gatewayError } from "./gateway.js";

/** `GET /management/v1/orgs/me`: the organization that calls go to. */
export function organizationRoute(instance: Instance): Route {
  return (request) => {
    if (request.method !== "GET" || request.path !== "/management/v1/orgs/me") {
      return undefined;
    }
    try {
      checkInstance(instance, request);
      const { orgId } = authorize(instance, request, "org.read");
      const org = instance.state.orgs.get(orgId);
      const createdAt = new Date(org?.createdAtMs ?? 0).toISOString();
      return gatewayAnswer(instance, request, {
        org: {
          id: orgId,
          details: {
            sequence: "1",
            creationDate: createdAt,
            changeDate: createdAt,
            resourceOwner: orgId,
          },
          state: "ORG_STATE_ACTIVE",
          name: org?.name ?? "",
          primaryDomain: orgDomain(org?.name ?? "", instance.hosts[0] ?? ""),
        },
      });
    } catch (error) {
      if (error instanceof RpcError) {
        return gatewayError(instance, request, error);
      }
      throw error;
    }
  };
}
