// Takes everybody's access to one project away: lists its grants, page after page, with the service of
// @zitadel/proto, straight into removeUserGrants.
import { createClient } from "@connectrpc/connect";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { createManagementClient, createTransport } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";

/** All grant ids of the project. They are read before any is removed: pages would shift otherwise. */
async function listGrants(management, projectId) {
  const limit = 1000;
  const ids = [];
  for (;;) {
    const { result, details } = await management.listUserGrants({
      query: { offset: BigInt(ids.length), limit, asc: true },
      queries: [{ query: { case: "projectIdQuery", value: { projectId } } }],
    });
    ids.push(...result.map(({ id }) => id));
    if (result.length === 0 || ids.length >= Number(details?.totalResult ?? 0)) {
      return ids;
    }
  }
}

/** Returns how many grants came to which end. */
export async function removeProjectGrants(options, projectId) {
  const management = createClient(ManagementService, createTransport(options));
  const ids = await listGrants(management, projectId);
  const counts = {};
  for await (const { status } of removeUserGrants(createManagementClient(options), ids)) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}
