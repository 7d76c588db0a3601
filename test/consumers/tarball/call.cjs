const { Code, ConnectError } = require("@connectrpc/connect");
const zitadel = require("zitadel-user-grants");
const { startSandbox } = require("zitadel-user-grants/sandbox");

async function main() {
  const sandbox = await startSandbox();
  const { baseUrl, token, orgId } = sandbox;
  const client = zitadel.createManagementClient({ baseUrl, token, orgId });

  const { userId, grantId } = sandbox.addGrant();
  const { details } = await client.deactivateUserGrant({ userId, grantId });
  const state = sandbox.grant(grantId)?.state;
  await client.bulkRemoveUserGrant({ grantId: [grantId] });
  const error = await client.bulkRemoveUserGrant({ grantId: [grantId] }).catch((e) => e);

  console.log(
    JSON.stringify({
      state,
      ofOrg: details?.resourceOwner === orgId,
      removed: sandbox.grant(grantId) === undefined,
      code: error instanceof ConnectError ? Code[error.code] : String(error),
      id: zitadel.describeError(error).id,
      isGrantNotFound: zitadel.isGrantNotFound(error),
    }),
  );
  zitadel.close(client);
  await sandbox.close();
}

main();
