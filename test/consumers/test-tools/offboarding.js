// A service of one's own around the client: a Connect router, whose callers know nothing of grants.
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { isGrantNotFound, ManagementService } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";

/**
 * Responds to `DeactivateUserGrant` so that it may be repeated, and `BulkRemoveUserGrant` so that grants
 * which are gone already do not stand in the way. Takes any transport to ZITADEL.
 */
export function createOffboarding(transport) {
  const zitadel = createClient(ManagementService, transport);
  return ({ service }) => {
    service(ManagementService, {
      async deactivateUserGrant(request) {
        try {
          return await zitadel.deactivateUserGrant(request);
        } catch (error) {
          if (isGrantNotFound(error)) {
            return {};
          }
          throw error;
        }
      },
      async bulkRemoveUserGrant({ grantId }) {
        for await (const { grantId: id, status, error } of removeUserGrants(zitadel, grantId)) {
          if (status === "failed") {
            throw new ConnectError(`${id} stays`, Code.Aborted, undefined, undefined, error);
          }
        }
        return {};
      },
    });
  };
}

/** A client of that service, in the same process. */
export function createOffboardingClient(transport) {
  return createClient(ManagementService, createRouterTransport(createOffboarding(transport)));
}
