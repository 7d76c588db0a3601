// Starts the sandbox in Node, Bun or Deno and calls it over each protocol: writes the ids of the errors.
import { startSandbox } from "zitadel-user-grants/sandbox";
import type { Entry } from "./suite.ts";

const { baseUrl, token, close } = await startSandbox();
const ids: (string | undefined)[] = [];
for (const name of ["grpc", "grpc-web", "json"]) {
  const entry: Entry = await import(`zitadel-user-grants/${name}`);
  const client = entry.createManagementClient({ baseUrl, token });
  await client.bulkRemoveUserGrant({ grantId: ["no such grant"] }).catch((error: unknown) => {
    ids.push(entry.describeError(error).id);
  });
  entry.close(client);
}
await close();
console.log(JSON.stringify(ids));
