import { Code, ConnectError } from "@connectrpc/connect";
import { createManagementClient as createDefault, isGrantNotFound } from "zitadel-user-grants";
import { createManagementClient, type ManagementClient } from "zitadel-user-grants/grpc-web";
import { createSandbox } from "zitadel-user-grants/sandbox";

export const client: ManagementClient = createManagementClient({
  baseUrl: "https://example.zitadel.cloud",
  token: async ({ refused } = {}) => (refused === undefined ? "a" : "b"),
  fetch: globalThis.fetch,
});
export const other: ManagementClient = createDefault({ baseUrl: "https://example.zitadel.cloud" });
export const grants = () => createSandbox().addGrant();

export async function remove(grantId: string): Promise<boolean> {
  try {
    await client.bulkRemoveUserGrant({ grantId: [grantId] });
    return true;
  } catch (error) {
    if (error instanceof ConnectError && error.code !== Code.NotFound) {
      throw error;
    }
    return isGrantNotFound(error);
  }
}
