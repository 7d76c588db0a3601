import { expect, it } from "vitest";
import { removeUserGrants } from "../../src/bulk/index.js";
import { createManagementClient as createGrpcClient } from "../../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { startHttpServer } from "../support/http-server.js";

it.each([
  ["grpc", createGrpcClient],
  ["grpc-web", createGrpcWebClient],
  ["json", createJsonClient],
] as const)("a request without a connection has lost no response, over %s", async (_, create) => {
  const server = await startHttpServer(() => undefined);
  await server.close();
  const client = create({ baseUrl: server.baseUrl });
  const outcomes: unknown[] = [];
  const run = async () => {
    for await (const { grantId, status, answerLost } of removeUserGrants(client, ["1", "2"], {
      giveUpMs: 1,
    })) {
      outcomes.push({ grantId, status, answerLost });
    }
  };
  await expect(run()).rejects.toThrow(/ECONNREFUSED/);
  expect(outcomes).toEqual([
    { grantId: "1", status: "failed", answerLost: undefined },
    { grantId: "2", status: "failed", answerLost: undefined },
  ]);
});
