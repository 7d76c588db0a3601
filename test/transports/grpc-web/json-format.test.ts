import { createServer } from "node:http";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createManagementClient,
  createTransport,
  ManagementService,
} from "../../../src/grpc-web.node.js";
import { type Listening, listen } from "../../support/listen.js";

const details = {
  sequence: 18_446_744_073_709_551_615n,
  creationDate: { seconds: -1n, nanos: 5 },
  changeDate: { seconds: 1_700_000_000n, nanos: 120_000_000 },
  resourceOwner: "ü 1",
};
const received: object[] = [];

/** Connect's own server, which serves gRPC-web with JSON as well. */
const server = createServer(
  connectNodeAdapter({
    routes: (router) =>
      router.service(ManagementService, {
        async deactivateUserGrant({ userId, grantId }, { requestHeader }) {
          received.push({ userId, grantId, contentType: requestHeader.get("content-type") });
          if (grantId === "gone") {
            throw new ConnectError("not here", Code.NotFound);
          }
          return { details };
        },
        async bulkRemoveUserGrant({ grantId }) {
          received.push({ grantId });
          return {};
        },
      }),
  }),
);
let listening: Listening;
beforeAll(async () => {
  listening = await listen(server);
});
afterAll(() => listening.close());

describe("with useBinaryFormat: false", () => {
  const options = () => ({
    baseUrl: `http://127.0.0.1:${listening.port}`,
    useBinaryFormat: false,
  });
  const contentType = "application/grpc-web+json";

  it.each([
    ["createManagementClient", () => createManagementClient(options())],
    ["createTransport", () => createClient(ManagementService, createTransport(options()))],
  ])("%s and Connect's server understand each other", async (_, create) => {
    received.length = 0;
    const client = create();
    const response = await client.deactivateUserGrant({ userId: 'a"b', grantId: "ü" });
    expect(response.details).toMatchObject(details);
    expect(await client.bulkRemoveUserGrant({ grantId: ["1", "1", "2"] })).toEqual({
      $typeName: "zitadel.management.v1.BulkRemoveUserGrantResponse",
    });
    await expect(
      client.deactivateUserGrant({ userId: "1", grantId: "gone" }),
    ).rejects.toMatchObject({ code: Code.NotFound, rawMessage: "not here" });
    expect(received).toEqual([
      { userId: 'a"b', grantId: "ü", contentType },
      { grantId: ["1", "1", "2"] },
      { userId: "1", grantId: "gone", contentType },
    ]);
  });
});
