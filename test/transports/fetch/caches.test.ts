import { expect, it, onTestFinished } from "vitest";
import { createManagementClient as overGrpcWeb } from "../../../src/grpc-web.node.js";
import { createManagementClient as overJson } from "../../../src/json.js";
import { startSandbox } from "../../../src/sandbox/index.js";

// As Next.js 13 and 14 do it: responses of POST are kept as well, by address and body.
it.each([
  ["gRPC-web", overGrpcWeb],
  ["JSON", overJson],
])("no call over %s is answered by a fetch that caches", async (_, createManagementClient) => {
  let requests = 0;
  const { baseUrl, token, addGrant, close } = await startSandbox({ onRequest: () => requests++ });
  onTestFinished(close);
  const kept = new Map<string, Response>();
  const client = createManagementClient({
    baseUrl,
    token,
    fetch: async (input, init) => {
      const key = `${input} ${init?.body}`;
      const response =
        (init?.cache === "no-store" ? undefined : kept.get(key)) ?? (await fetch(input, init));
      kept.set(key, response.clone());
      return response;
    },
  });
  const grant = addGrant();
  await client.deactivateUserGrant(grant);
  await client.deactivateUserGrant(grant);
  expect(requests).toBe(2);
});
