// Shows the main job against a stand-in for ZITADEL on this machine: npm run demo
import { Code } from "@connectrpc/connect";
import { close, createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import { createSummary, removeUserGrants } from "zitadel-user-grants/bulk";
import * as grpc from "zitadel-user-grants/grpc";
import * as grpcWeb from "zitadel-user-grants/grpc-web";
import * as json from "zitadel-user-grants/json";
import { startSandbox } from "zitadel-user-grants/sandbox";

const sandbox = await startSandbox();
const { baseUrl, token, orgId } = sandbox;
console.log(`A stand-in for ZITADEL runs at ${baseUrl}, organization ${orgId}.`);

const entries = { "native gRPC": grpc, "gRPC-web": grpcWeb, "HTTP/JSON": json };
for (const [protocol, entry] of Object.entries(entries)) {
  console.log(`\n${protocol}`);
  const client = entry.createManagementClient({ baseUrl, token, orgId });

  const one = sandbox.addGrant();
  const { details } = await client.deactivateUserGrant(one);
  show("deactivate a grant", `sequence ${details?.sequence}, now ${stateOf(one)}`);

  await client.deactivateUserGrant(one);
  show("deactivate it again", `OK as well, still ${stateOf(one)}`);

  const many = [sandbox.addGrant(), sandbox.addGrant(), sandbox.addGrant()];
  await client.bulkRemoveUserGrant({ grantId: many.map(({ grantId }) => grantId) });
  show("remove three grants at once", many.map(stateOf).join(", "));

  try {
    await client.bulkRemoveUserGrant({ grantId: ["999999999999999999"] });
  } catch (error) {
    show("remove a grant that is not there", explain(error));
  }

  const { token: stranger } = sandbox.addUser();
  const outsider = entry.createManagementClient({ baseUrl, token: stranger, orgId });
  try {
    await outsider.deactivateUserGrant(sandbox.addGrant());
  } catch (error) {
    show("deactivate without permission", explain(error));
  }
  close(client);
  close(outsider);
}

console.log("\nRemove 5,000 grants, of which some are gone already");
const client = createManagementClient({ baseUrl, token, orgId });
const grantIds = Array.from({ length: 5000 }, (_, index) =>
  index % 700 === 350 ? `4040000000000${index}` : sandbox.addGrant().grantId,
);
const summary = createSummary({ total: grantIds.length });
let shown = 0;
for await (const { grantId, status } of removeUserGrants(client, grantIds, {
  onOutcome: summary.add,
})) {
  const { done, perSecond } = summary.current();
  if (status !== "removed") {
    show(grantId, status);
  } else if (done >= shown + 1000) {
    shown = done;
    show(`${done} of ${grantIds.length}`, `${Math.round(perSecond)} a second`);
  }
}
const { counts, elapsedMs } = summary.current();
const seconds = (elapsedMs / 1000).toFixed(1);
show("done", `${counts.removed} removed, ${counts["not-found"]} not found, in ${seconds} s`);
close(client);

await sandbox.close();

/** @param {{ grantId: string }} grant */
function stateOf({ grantId }) {
  return sandbox.grant(grantId)?.state ?? "gone";
}

/** @param {unknown} error */
function explain(error) {
  const { code, id, message, requestId } = describeError(error);
  const gone = isGrantNotFound(error) ? "the grant is gone" : "says nothing about the grant";
  return `${Code[code]} ${id} "${message}": ${gone} (request ${requestId})`;
}

/**
 * @param {string} what
 * @param {string} outcome
 */
function show(what, outcome) {
  console.log(`  ${what.padEnd(34)}${outcome}`);
}
