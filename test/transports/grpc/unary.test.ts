import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, type Interceptor } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  DeactivateUserGrantRequestSchema,
  DeactivateUserGrantResponseSchema,
} from "../../../gen/zitadel/management_pb.js";
import type { GrpcOptions } from "../../../src/grpc.js";
import { compressionBrotli, compressionGzip } from "../../../src/transports/grpc/transport.js";
import { frame } from "../../faults/exchange.js";
import {
  type ReceivedCall,
  respond,
  respondHeadersOnly,
  startGrpcServer,
} from "../../support/grpc-server.js";
import { createClient, failureOf } from "../../support/protocols.js";

// What is wrong with responses is in test/faults/.

async function connected(
  handle: (call: ReceivedCall) => void,
  { path = "", ...options }: Partial<GrpcOptions> & { path?: string } = {},
) {
  const server = await startGrpcServer(handle);
  const client = createClient("grpc", { baseUrl: server.baseUrl + path, ...options });
  return { server, client };
}

const request = { userId: "1", grantId: "2" };

describe("request", () => {
  test("is one framed message, with the headers that gRPC requires, below the path of the base URL", async () => {
    const { server, client } = await connected(({ stream }) => respond(stream, {}), {
      path: "/prefix/",
    });

    await client.deactivateUserGrant(request);

    const [call] = server.calls;
    expect(call?.header).toMatchObject({
      ":method": "POST",
      ":scheme": "http",
      ":path": "/prefix/zitadel.management.v1.ManagementService/DeactivateUserGrant",
      "content-type": "application/grpc+proto",
      te: "trailers",
      "grpc-accept-encoding": "gzip,br",
    });
    const schema = DeactivateUserGrantRequestSchema;
    expect(call?.body).toEqual(frame(0, toBinary(schema, create(schema, request))));
  });
});

describe("response", () => {
  test("has the message, headers and trailers", async () => {
    const body = toBinary(
      DeactivateUserGrantResponseSchema,
      create(DeactivateUserGrantResponseSchema, { details: { sequence: 7n } }),
    );
    const { client } = await connected(({ stream }) =>
      respond(stream, {
        header: { "x-request-id": "abc", "x-many": ["1", "2"] },
        body: frame(0, body),
        trailer: { "grpc-status": "0", "x-trailer-bin": "AAEC" },
      }),
    );
    let header = new Headers();
    let trailer = new Headers();

    const response = await client.deactivateUserGrant(request, {
      onHeader: (headers) => {
        header = headers;
      },
      onTrailer: (trailers) => {
        trailer = trailers;
      },
    });

    expect(response.details?.sequence).toBe(7n);
    expect(header.get("x-request-id")).toBe("abc");
    expect(header.get("x-many")).toBe("1, 2");
    expect([...header.keys()].filter((name) => name.startsWith(":"))).toEqual([]);
    expect(trailer.get("x-trailer-bin")).toBe("AAEC");
  });

  test("with a status only in trailers fails with that status and the metadata of both", async () => {
    const { client } = await connected(({ stream }) =>
      respond(stream, {
        header: { "x-request-id": "abc" },
        body: Buffer.alloc(0),
        trailer: { "grpc-status": "5", "grpc-message": "Grant %C3%BC fort %", "x-more": "1" },
      }),
    );

    const error = await failureOf(client.deactivateUserGrant(request));

    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe("Grant ü fort %");
    expect(error.metadata.get("x-request-id")).toBe("abc");
    expect(error.metadata.get("x-more")).toBe("1");
  });

  test("of headers alone fails with the status in them", async () => {
    const { client } = await connected(({ stream }) =>
      respondHeadersOnly(stream, { "grpc-status": "7", "grpc-message": "no" }),
    );

    const error = await failureOf(client.deactivateUserGrant(request));

    expect(error.code).toBe(Code.PermissionDenied);
    expect(error.rawMessage).toBe("no");
  });

  test("ignores a status in the headers when a body follows", async () => {
    const { client } = await connected(({ stream }) =>
      respond(stream, { header: { "grpc-status": "0" }, trailer: undefined }),
    );

    const error = await failureOf(client.deactivateUserGrant(request));

    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toContain("protocol error: missing status");
  });

  test.each([
    ["two messages", Buffer.concat([frame(0, ""), frame(0, "")]), Code.Unimplemented],
    ["no message", Buffer.alloc(0), Code.Unimplemented],
    ["half a message", Buffer.from([0, 0, 0, 0, 9, 1]), Code.Internal],
  ])("with %s has the code that Connect gives it", async (_, body, code) => {
    const { client } = await connected(({ stream }) => respond(stream, { body }));

    expect((await failureOf(client.deactivateUserGrant(request))).code).toBe(code);
  });
});

describe("compression", () => {
  test.each([
    ["gzip", compressionGzip, gunzipSync, gzipSync],
    ["br", compressionBrotli, brotliDecompressSync, brotliCompressSync],
  ])("by %s works in both directions", async (name, sendCompression, unpack, pack) => {
    const details = { details: { resourceOwner: "o".repeat(5_000) } };
    const schema = DeactivateUserGrantResponseSchema;
    const { server, client } = await connected(
      ({ stream }) =>
        respond(stream, {
          header: { "grpc-encoding": name },
          body: frame(1, pack(toBinary(schema, create(schema, details)))),
        }),
      { sendCompression },
    );
    const long = { userId: "u".repeat(2_000), grantId: "2" };

    const response = await client.deactivateUserGrant(long);

    expect(response.details?.resourceOwner).toHaveLength(5_000);
    const [call] = server.calls;
    expect(call?.header["grpc-encoding"]).toBe(name);
    expect(call?.body[0]).toBe(1);
    expect(fromBinary(DeactivateUserGrantRequestSchema, unpack(call!.body.subarray(5)))).toEqual(
      create(DeactivateUserGrantRequestSchema, long),
    );
  });
});

describe("interceptors", () => {
  test("may copy requests and responses, and change headers but not the protocol's", async () => {
    const seen: string[] = [];
    const copying: Interceptor = (next) => async (call) => {
      const header = new Headers(call.header);
      header.set("x-added", "1");
      header.set("content-type", "text/plain");
      header.set("grpc-timeout", "1m");
      seen.push(...call.header.keys());
      const response = await next({ ...call, header } as typeof call);
      return { ...response } as typeof response;
    };
    const { server, client } = await connected(
      ({ stream }) => respond(stream, { header: { "x-request-id": "abc" } }),
      { interceptors: [copying] },
    );
    let requestId: string | null = null;

    await client.deactivateUserGrant(request, {
      headers: { "x-own": "1" },
      onHeader: (header) => {
        requestId = header.get("x-request-id");
      },
    });

    expect(requestId).toBe("abc");
    expect(seen).toEqual(["x-own"]);
    expect(server.calls[0]?.header).toMatchObject({
      "x-own": "1",
      "x-added": "1",
      "content-type": "application/grpc+proto",
    });
    expect(server.calls[0]?.header["grpc-timeout"]).toMatch(/^\d{4,5}m$/);
  });
});

describe("a call", () => {
  test("settles when the caller aborts it, with the caller's reason as cause", async () => {
    const controller = new AbortController();
    const { server, client } = await connected(() => controller.abort("enough"));

    const error = await failureOf(
      client.deactivateUserGrant(request, { signal: controller.signal }),
    );

    expect(error.code).toBe(Code.Canceled);
    expect(error.cause).toBe("enough");
    const stream = server.calls[0]?.stream;
    if (stream?.closed === false) {
      await new Promise((resolve) => stream.once("close", resolve));
    }
    expect(stream?.rstCode).toBe(8);
  });
});
