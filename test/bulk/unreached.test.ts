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

it.each([
  ["grpc-web", createGrpcWebClient],
  ["json", createJsonClient],
] as const)(
  "a firewall's page can stand in place of a response that it blocks, over %s",
  async (_, create) => {
    const server = await startHttpServer((_request, response) => {
      response.writeHead(403, { "content-type": "text/html" });
      response.end("<h1>Blocked</h1>");
    });
    const client = create({ baseUrl: server.baseUrl });
    const outcomes: unknown[] = [];
    const run = removeUserGrants(client, ["1", "2"], {
      onOutcome: ({ grantId, status, answerLost }) =>
        outcomes.push({ grantId, status, answerLost }),
    });
    await expect(run.summary()).rejects.toThrow(/HTTP 403/);
    expect(outcomes).toEqual([
      { grantId: "1", status: "failed", answerLost: true },
      { grantId: "2", status: "failed", answerLost: true },
    ]);
  },
);
