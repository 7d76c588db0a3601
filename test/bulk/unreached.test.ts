import { describe, expect, it } from "vitest";
import { removeUserGrants } from "../../src/bulk/index.js";
import { startHttpServer } from "../support/http-server.js";
import { createClient, protocols } from "../support/protocols.js";

it.each(protocols)(
  "a request without a connection has lost no response, over %s",
  async (protocol) => {
    const server = await startHttpServer(() => undefined);
    await server.close();
    const client = createClient(protocol, { baseUrl: server.baseUrl });
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
  },
);

describe.each(["grpc-web", "json"] as const)("a proxy's page over %s", (protocol) => {
  // A firewall that shows its page with 403 can also have blocked what the server responds.
  it.each([
    [401, undefined],
    [403, true],
    [404, undefined],
  ])(
    "with HTTP %d ends the run, and says nothing of grants that were not sent",
    async (status, answerLost) => {
      const server = await startHttpServer((_request, response) => {
        response.writeHead(status, { "content-type": "text/html" });
        response.end("<h1>Blocked</h1>");
      });
      const client = createClient(protocol, { baseUrl: server.baseUrl });
      const outcomes: unknown[] = [];
      const run = removeUserGrants(client, ["1", "2", "3", "4"], {
        ...{ batchSize: 2, concurrency: 1 },
        onOutcome: (outcome) => outcomes.push([outcome.status, outcome.answerLost]),
      });
      await expect(run.summary()).rejects.toThrow(`HTTP ${status}`);
      expect(outcomes).toEqual(Array(2).fill(["failed", answerLost]));
    },
  );
});

it("what no retry mends ends the run at once: a server without HTTP/2", async () => {
  const server = await startHttpServer((_request, response) => response.end("hello"));
  const client = createClient("grpc", { baseUrl: server.baseUrl });
  let calls = 0;
  const counting: typeof client = {
    ...client,
    bulkRemoveUserGrant: (...call) => {
      calls += 1;
      return client.bulkRemoveUserGrant(...call);
    },
  };
  const ids = Array.from({ length: 1000 }, (_, index) => String(index));
  await expect(removeUserGrants(counting, ids).summary()).rejects.toThrow(/HTTP\/2/);
  expect(calls).toBeLessThanOrEqual(4);
});
