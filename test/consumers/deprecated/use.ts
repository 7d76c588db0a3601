import { createClient } from "@connectrpc/connect";
import { createManagementClient, createTransport, ManagementService } from "zitadel-user-grants";

const options = { baseUrl: "https://example.zitadel.cloud" };
const client = createManagementClient(options);
await client.deactivateUserGrant({ userId: "1", grantId: "2" });
await client.bulkRemoveUserGrant({ grantId: ["2"] });
const other = createClient(ManagementService, createTransport(options));
await other.deactivateUserGrant({ userId: "1", grantId: "2" });
await other.bulkRemoveUserGrant({ grantId: ["2"] });
console.log(ManagementService.method.bulkRemoveUserGrant.name);
