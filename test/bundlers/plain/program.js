// The whole of what a page or a server does here with the package: one method, and what its error says.
import { close, createManagementClient, createTransport, describeError } from "zitadel-user-grants";

export async function run({ baseUrl, token, orgId, grantId }) {
  const client = createManagementClient({ baseUrl, token, orgId });
  await client.bulkRemoveUserGrant({ grantId: [grantId] });
  const error = await client.bulkRemoveUserGrant({ grantId: [grantId] }).catch((error) => error);
  close(client);
  return JSON.stringify({ protocol: protocol(), id: describeError(error).id });
}

/** Only the half for `fetch` takes an option of that name. */
function protocol() {
  try {
    createTransport({ baseUrl: "https://example.zitadel.cloud", fetch });
    return "gRPC-web";
  } catch {
    return "gRPC";
  }
}
