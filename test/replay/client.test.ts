import { gunzipSync } from "node:zlib";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BulkRemoveUserGrantResponseSchema,
  DeactivateUserGrantResponseSchema,
} from "../../gen/zitadel/management_pb.js";
import { describeError } from "../../src/grpc.js";
import { generations } from "../../src/sandbox/model/entities.js";
import type { Protocol } from "../faults/exchange.js";
import { createClient, failureOf, protocols } from "../support/protocols.js";
import { type RecordedServer, startRecordedServer } from "./recorded-server.js";
import { bodyOf, type Exchange, readRecordings, statusOf } from "./recordings.js";

let server: RecordedServer;

beforeAll(async () => {
  server = await startRecordedServer();
});

afterAll(() => server.close());

const sources = generations.flatMap((generation) =>
  protocols.map((protocol) => [protocol, generation] as const),
);

describe.each(sources)("the client reads %s of %s:", (protocol, generation) => {
  it.each(readRecordings(protocol, generation))("%s", async (name, exchange) => {
    server.respondWith(exchange);
    const isBulk = name.startsWith("bulk/");
    const baseUrl = protocol === "grpc" ? server.http2Url : server.http1Url;
    const client = createClient(protocol, { baseUrl, token: "t" });
    const call = isBulk
      ? client.bulkRemoveUserGrant({ grantId: ["1"] })
      : client.deactivateUserGrant({ userId: "1", grantId: "2" });
    const expected = protocol === "json" ? gatewayError(exchange) : statusError(exchange);
    if (expected === undefined) {
      expect(await call).toEqual(expectedMessage(protocol, exchange, isBulk));
      return;
    }
    const error = await failureOf(call);
    const { code, rawMessage: message } = error;
    const { id, requestId } = describeError(error);
    expect({ code, message, id, requestId }).toMatchObject(expected);
  });
});

/** What the gateway's body says. */
function gatewayError(exchange: Exchange) {
  const status = statusOf(exchange);
  if (status === 200) {
    return undefined;
  }
  if (status === 301) {
    return { code: Code.Unknown, id: undefined };
  }
  const { code, message, details } = JSON.parse(bodyOf(exchange).toString());
  const requestId = exchange.response.headers["x-request-id"];
  return { code, message, id: details?.[0].id, requestId };
}

/** What the status says; ZITADEL puts the id of a detail at the end of the message, too. */
function statusError(exchange: Exchange) {
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

function expectedMessage(protocol: Protocol, exchange: Exchange, isBulk: boolean) {
  const body = bodyOf(exchange);
  const schema = isBulk ? BulkRemoveUserGrantResponseSchema : DeactivateUserGrantResponseSchema;
  if (protocol === "json") {
    return fromJsonString<typeof schema>(schema, body.toString());
  }
  const payload = body.subarray(5, 5 + body.readUInt32BE(1));
  return fromBinary<typeof schema>(schema, body[0] === 1 ? gunzipSync(payload) : payload);
}
