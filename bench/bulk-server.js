/** The sandbox in a process of its own, with grants to remove. */
import { startSandbox } from "zitadel-user-grants/sandbox";

const sandbox = await startSandbox();
process.on("message", (count) => {
  process.send(Array.from({ length: count }, () => sandbox.addGrant().grantId));
});
process.send({ baseUrl: sandbox.baseUrl, token: sandbox.token, orgId: sandbox.orgId });
