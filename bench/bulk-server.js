/** The sandbox in a process of its own, with grants to remove: node bulk-server.js [ms a request] [ms an id] */
import { startSandbox } from "zitadel-user-grants/sandbox";

const [requestLatencyMs = 0, idLatencyMs = 0] = process.argv.slice(2).map(Number);
const sandbox = await startSandbox({ requestLatencyMs, idLatencyMs });
process.on("message", (count) => {
  process.send(Array.from({ length: count }, () => sandbox.addGrant().grantId));
});
process.send({ baseUrl: sandbox.baseUrl, token: sandbox.token, orgId: sandbox.orgId });
