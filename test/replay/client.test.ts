import { gunzipSync } from "node:zlib";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BulkRemoveUserGrantResponseSchema,
  DeactivateUserGrantResponseSchema,
} from "../../gen/zitadel/management_pb.js";
import type { ManagementClient } from "../../src/client/client.js";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.js";
import * as json from "../../src/json.js";
import { generations } from "../../src/sandbox/model/entities.js";
import { type RecordedServer, startRecordedServer } from "./recorded-server.js";
import { bodyOf, type Exchange, readRecordings, statusOf } from "./recordings.js";

let server: RecordedServer;
let clients: Record<"grpc" | "grpc-web" | "json", ManagementClient>;

beforeAll(async () => {
  server = await startRecordedServer();
  clients = {
    grpc: grpc.createManagementClient({ baseUrl: server.http2Url, token: "t" }),
    "grpc-web": grpcWeb.createManagementClient({ baseUrl: server.http1Url, token: "t" }),
    json: json.createManagementClient({ baseUrl: server.http1Url, token: "t" }),
  };
});

afterAll(async () => {
  grpc.close(clients.grpc);
  await server.close();
});

const sources = generations.flatMap((generation) =>
  (["grpc", "grpc-web"] as const).map((protocol) => [protocol, generation] as const),
);

describe.each(sources)("the client reads %s of %s:", (protocol, generation) => {
  it.each(readRecordings(protocol, generation))("%s", async (name, exchange) => {
    server.respondWith(exchange);
    const isBulk = name.startsWith("bulk/");
    const client = clients[protocol];
    const call = isBulk
      ? client.bulkRemoveUserGrant({ grantId: ["1"] })
      : client.deactivateUserGrant({ userId: "1", grantId: "2" });
    const expected = expectedError(exchange);
    if (expected === undefined) {
      expect(await call).toEqual(expectedMessage(exchange, isBulk));
      return;
    }
    const error = await call.then(
      () => expect.fail("the call went well"),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConnectError);
    const { code, rawMessage } = error as ConnectError;
    const { id, requestId } = grpc.describeError(error);
    expect({ code, message: rawMessage, id, requestId }).toEqual(expected);
  });
});

describe.each(generations)("the client reads json of %s:", (generation) => {
  it.each(readRecordings("json", generation))("%s", async (name, exchange) => {
    server.respondWith(exchange);
    const isBulk = name.startsWith("bulk/");
    const call = isBulk
      ? clients.json.bulkRemoveUserGrant({ grantId: ["1"] })
      : clients.json.deactivateUserGrant({ userId: "1", grantId: "2" });
    const status = statusOf(exchange);
    const body = bodyOf(exchange).toString();
    if (status === 200) {
      expect(await call).toEqual(
        isBulk
          ? fromJsonString(BulkRemoveUserGrantResponseSchema, body)
          : fromJsonString(DeactivateUserGrantResponseSchema, body),
      );
      return;
    }
    const error = await call.then(
      () => expect.fail("the call went well"),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConnectError);
    const { code, rawMessage } = error as ConnectError;
    const { id, requestId } = grpc.describeError(error);
    if (status === 301) {
      expect({ code, id }).toEqual({ code: Code.Unknown, id: undefined });
      return;
    }
    const expected = JSON.parse(body);
    expect({ code, message: rawMessage, id, requestId }).toEqual({
      code: expected.code,
      message: expected.message,
      id: expected.details?.[0].id,
      requestId: exchange.response.headers["x-request-id"],
    });
  });
});

/** What the status says; ZITADEL puts the id of a detail at the end of the message, too. */
function expectedError(exchange: Exchange) {
  const { headers, trailers } = exchange.response;
  const fields = { ...headers, ...trailers, ...trailersInBody(exchange) } as Record<string, string>;
  const code = Number(fields["grpc-status"] ?? 0);
  if (code === 0) {
    return undefined;
  }
  const message = decodeURIComponent(fields["grpc-message"] ?? "");
  const hasDetail = fields["grpc-status-details-bin"] !== undefined;
  return {
    code,
    message,
    id: hasDetail ? /\(([\w-]+)\)$/.exec(message)?.[1] : undefined,
    requestId: fields["x-request-id"],
  };
}

/** The trailer frame that a body of gRPC-web may be all of. */
function trailersInBody(exchange: Exchange): Record<string, string> {
  const body = bodyOf(exchange);
  if (body[0] !== 0x80) {
    return {};
  }
  const lines = body.subarray(5).toString().split("\r\n").filter(Boolean);
  return Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2)));
}

function expectedMessage(exchange: Exchange, isBulk: boolean) {
  const body = bodyOf(exchange);
  const payload = body.subarray(5, 5 + body.readUInt32BE(1));
  const bytes = body[0] === 1 ? gunzipSync(payload) : payload;
  return isBulk
    ? fromBinary(BulkRemoveUserGrantResponseSchema, bytes)
    : fromBinary(DeactivateUserGrantResponseSchema, bytes);
}
