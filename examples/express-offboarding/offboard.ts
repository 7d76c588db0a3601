import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { ManagementService as ListingService } from "@zitadel/proto/zitadel/management_pb.js";
import type { ManagementClient } from "zitadel-user-grants";
import { type RemoveStatus, removeUserGrants, type Summary } from "zitadel-user-grants/bulk";

/** ZITADEL's whole management service, for what is listed; removals go through `ManagementClient`. */
export function createListing(transport: Transport): Client<typeof ListingService> {
  return createClient(ListingService, transport);
}

const pageSize = 1000;

/**
 * The ids of all grants of a user. They are read to the end before any is removed: a removal would
 * shift the pages that follow.
 */
export async function listGrantIds(
  listing: Client<typeof ListingService>,
  userId: string,
): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const { result } = await listing.listUserGrants({
      query: { offset: BigInt(ids.length), limit: pageSize, asc: true },
      queries: [{ query: { case: "userIdQuery", value: { userId } } }],
    });
    ids.push(...result.map(({ id }) => id));
    if (result.length < pageSize) {
      return ids;
    }
  }
}

/** Removes all grants of a user, and returns how many came to which end. */
export async function offboard(
  listing: Client<typeof ListingService>,
  client: ManagementClient,
  userId: string,
  signal: AbortSignal,
): Promise<Summary<RemoveStatus>> {
  const grantIds = await listGrantIds(listing, userId);
  return await removeUserGrants(client, grantIds, { signal }).summary();
}
