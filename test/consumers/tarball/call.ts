import { Code, ConnectError } from "@connectrpc/connect";
import { close, createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import { startSandbox } from "zitadel-user-grants/sandbox";

async function main(): Promise<void> {
  const sandbox = await startSandbox();
  const { baseUrl, token, orgId } = sandbox;
  const client = createManagementClient({ baseUrl, token, orgId });

  const { userId, grantId } = sandbox.addGrant();
  const { details } = await client.deactivateUserGrant({ userId, grantId });
  const state: "active" | "inactive" | undefined = sandbox.grant(grantId)?.state;
  await client.bulkRemoveUserGrant({ grantId: [grantId] });
  const error: unknown = await client.bulkRemoveUserGrant({ grantId: [grantId] }).catch((e) => e);

  console.log(
    JSON.stringify({
      state,
      ofOrg: details?.resourceOwner === orgId,
      removed: sandbox.grant(grantId) === undefined,
      code: error instanceof ConnectError ? Code[error.code] : String(error),
      id: describeError(error).id,
      isGrantNotFound: isGrantNotFound(error),
    }),
  );
  close(client);
  await sandbox.close();
}

void main();
