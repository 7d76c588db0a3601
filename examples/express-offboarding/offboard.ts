import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { ManagementService as ListingService } from "@zitadel/proto/zitadel/management_pb.js";
import type { ManagementClient } from "zitadel-user-grants";
import { type RemoveStatus, removeUserGrants, type Summary } from "zitadel-user-grants/bulk";

/** ZITADEL's whole management service, for what is listed; removals go through `ManagementClient`. */
export function createListing(transport: Transport): Client<typeof ListingService> {
  return createClient(ListingService, transport);
}

const limit = 10_000;

/**
 * The ids of a user's grants in the organization of the call. They are read in one request, with a limit above
 * their number: ZITADEL's lists have no order, and pages leave grants out.
 */
export async function listGrantIds(
  listing: Client<typeof ListingService>,
  userId: string,
): Promise<string[]> {
  const { result, details } = await listing.listUserGrants({
    query: { limit },
    queries: [{ query: { case: "userIdQuery", value: { userId } } }],
  });
  const total = Number(details?.totalResult ?? 0);
  if (result.length < total) {
    throw new Error(`${result.length} of ${total} grants of user ${userId} could be read`);
  }
  return result.map(({ id }) => id);
}

/** Removes a user's grants in that organization, and returns how many came to which end. */
export async function offboard(
  listing: Client<typeof ListingService>,
  client: ManagementClient,
  userId: string,
  signal: AbortSignal,
): Promise<Summary<RemoveStatus>> {
  const grantIds = await listGrantIds(listing, userId);
  return await removeUserGrants(client, grantIds, { signal }).summary();
}
