// A person leaves the company, told against the sandbox: npm run demo
import { Code } from "@connectrpc/connect";
import { close, createManagementClient, describeError, isGrantInactive } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";
import * as grpc from "zitadel-user-grants/grpc";
import * as grpcWeb from "zitadel-user-grants/grpc-web";
import * as json from "zitadel-user-grants/json";
import { startSandbox } from "zitadel-user-grants/sandbox";

// Piped into `head`: nobody reads on.
process.stdout.on("error", () => process.exit());

const sandbox = await startSandbox({ generation: "v4" });
const older = await startSandbox({ generation: "v2.70" });
const { baseUrl, token, orgId } = sandbox;
const client = createManagementClient({ baseUrl, token, orgId });

const { userId } = sandbox.addUser({ name: "Jane Doe", email: "jane.doe@example.com" });
const access = { Billing: ["admin"], Portal: ["editor", "viewer"], Wiki: ["reader"] };
for (const [name, roleKeys] of Object.entries(access)) {
  sandbox.addGrant({ userId, roleKeys, ...sandbox.addProject({ name, roleKeys }) });
}

say("Jane Doe leaves the company. A sandbox of ZITADEL v4 knows her access:");
const grants = await listGrants();
for (const { id, projectName, roleKeys } of grants) {
  line(projectName, `${roleKeys.join(", ").padEnd(18)}grant ${id}`);
}
const [billing, , wiki] = grants;

say("1  Deactivate a grant: the roles are lost at once, the grant stays");
await client.deactivateUserGrant({ userId, grantId: billing.id });
line("Billing", sandbox.grant(billing.id)?.state ?? "gone");
await client.deactivateUserGrant({ userId, grantId: billing.id });
line("again, on v4", "OK, still inactive");
const inactive = older.addGrant({ state: "inactive" });
const olderClient = createManagementClient({ baseUrl: older.baseUrl, token: older.token });
await olderClient.deactivateUserGrant(inactive).catch((error) => {
  line("again, on v2.70", explain(error));
  line("", `isGrantInactive(error) is ${isGrantInactive(error)}: it is not a failure`);
});

say("2  Remove all three, by a list in which one is gone already (Wiki)");
await client.bulkRemoveUserGrant({ grantId: [wiki.id] });
const grantIds = grants.map(({ id }) => id);
await client.bulkRemoveUserGrant({ grantId: grantIds }).catch((error) => {
  line("bulkRemoveUserGrant", explain(error));
});
line("", 'A client that takes "not found" for "already removed"');
line("", "now reports that she has no access.");
line("She still has", await namesOfGrants());
for await (const { grantId, status } of removeUserGrants(client, grantIds)) {
  const { projectName } = grants.find(({ id }) => id === grantId) ?? {};
  line(`removeUserGrants`, `${projectName?.padEnd(9)}${status}`);
}
line("She still has", await namesOfGrants());

say("3  Remove 1,000 grants: 2 are gone already, one response is lost on the way");
const many = Array.from({ length: 1000 }, (_, index) =>
  index % 500 === 250 ? `4040000000000${index}` : sandbox.addGrant().grantId,
);
sandbox.failNext({ rpc: "BulkRemoveUserGrant", lost: true });
// Over HTTP/1.1: a connection that breaks takes one response with it.
const webClient = grpcWeb.createManagementClient({ baseUrl, token, orgId });
const { counts, answersLost, elapsedMs } = await removeUserGrants(webClient, many, {
  batchSize: 25,
}).summary();
line("removed", `${counts.removed}, each confirmed by the server`);
line("not found", `${counts["not-found"] - answersLost}`);
line("and answerLost", `${answersLost}: their request went out, and its response was lost.`);
line("", "This run may have removed them, and says so.");
line("failed", `${counts.failed ?? 0}`);
line("still active", `${many.filter((grantId) => sandbox.grant(grantId)).length}`);
line("", `in ${(elapsedMs / 1000).toFixed(1)} s`);

say("4  The same call over every protocol");
const entries = { "native gRPC": grpc, "gRPC-web": grpcWeb, "HTTP/JSON": json };
for (const [protocol, entry] of Object.entries(entries)) {
  const grant = sandbox.addGrant();
  const sameClient = entry.createManagementClient({ baseUrl, token, orgId });
  await sameClient.deactivateUserGrant(grant);
  line(protocol, sandbox.grant(grant.grantId)?.state ?? "gone");
  close(sameClient);
}

close(client);
close(olderClient);
await sandbox.close();
await older.close();

/**
 * Her grants, from ZITADEL's HTTP route.
 *
 * @returns {Promise<{ id: string, projectName: string, roleKeys: string[] }[]>}
 */
async function listGrants() {
  const response = await fetch(`${baseUrl}/management/v1/users/grants/_search`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "x-zitadel-orgid": orgId },
    body: JSON.stringify({ query: { limit: 1000 }, queries: [{ userIdQuery: { userId } }] }),
  });
  const { result = [] } = await response.json();
  return result;
}

async function namesOfGrants() {
  const found = await listGrants();
  return found.map(({ projectName }) => projectName).join(", ") || "nothing";
}

/** @param {unknown} error */
function explain(error) {
  const { code, id, message } = describeError(error);
  return `${Code[code]} ${id}: ${message}`;
}

/** @param {string} text */
function say(text) {
  console.log(`\n${text}`);
}

/**
 * @param {string} what
 * @param {string} outcome
 */
function line(what, outcome) {
  console.log(`  ${what.padEnd(20)}${outcome}`);
}
