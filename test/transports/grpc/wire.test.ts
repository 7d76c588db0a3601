import { createServer } from "node:http2";
import { Code } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { mayHaveBeenApplied } from "../../../src/errors/certainty.js";
import type { GrpcOptions } from "../../../src/grpc.js";
import {
  type Exchange,
  frame,
  message,
  respondWell,
  type WireOptions,
} from "../../faults/exchange.js";
import { begins } from "../../faults/fault.js";
import { frameType, goaway, uint32 } from "../../faults/http2-wire.js";
import { type ReceivedCall, respond, startGrpcServer } from "../../support/grpc-server.js";
import { listenForTest } from "../../support/http-server.js";
import { runProgram } from "../../support/programs.js";
import { createClient, failureOf, startWire } from "../../support/protocols.js";
import { startRelay } from "../../support/relay.js";

const grant = { userId: "1", grantId: "2" };

async function connected(
  respond: (exchange: Exchange) => void,
  wire: Partial<WireOptions> = {},
  options: Partial<GrpcOptions> = {},
) {
  const server = await startWire("grpc", respond, wire);
  return { server, client: createClient("grpc", { baseUrl: server.baseUrl, ...options }) };
}

/** A server of Node's own, and a client of it. */
async function connectedToNode(
  handle: (call: ReceivedCall) => void,
  serverOptions?: Parameters<typeof startGrpcServer>[1],
) {
  const server = await startGrpcServer(handle, serverOptions);
  return { server, client: createClient("grpc", { baseUrl: server.baseUrl }) };
}

const refuse = (exchange: Exchange) =>
  exchange.frame(frameType.rstStream, 0, uint32(7 /* REFUSED_STREAM */));
const goAwayBelow = (exchange: Exchange) => {
  exchange.frame(frameType.goaway, 0, goaway(0, 0), 0);
  exchange.socket.end();
};

describe("a call whose response has begun is not sent again", () => {
  test.each([
    ["HEADERS, then REFUSED_STREAM", begins("", refuse)],
    ["HEADERS and the message, then REFUSED_STREAM", begins(frame(0, message), refuse)],
    ["HEADERS, then a GOAWAY below", begins("", goAwayBelow)],
    ["HEADERS and the message, then a GOAWAY below", begins(frame(0, message), goAwayBelow)],
    [
      "103, then REFUSED_STREAM",
      (exchange: Exchange) => {
        exchange.info(103);
        refuse(exchange);
      },
    ],
  ])("after %s", async (_, respond) => {
    const { client, server } = await connected(respond);

    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));

    expect(server.requests).toBe(1);
    expect(error.code).not.toBe(Code.Unknown);
    expect(mayHaveBeenApplied(error)).toBe(true);
  });
});

describe("verification", () => {
  test("uses the PONG of a keep-alive PING that was in flight", async () => {
    let pings = 0;
    const { client } = await connected(
      (exchange) => {
        if (exchange.number > 1) {
          respondWell(exchange);
          return;
        }
        exchange.socket.on("data", (chunk: Buffer) => {
          if (chunk[3] === frameType.ping && ++pings === 1) {
            setTimeout(() => exchange.frame(frameType.ping, 1, chunk.subarray(9, 17), 0), 50);
          }
        });
      },
      { pong: false },
      { pingIntervalMs: 20 },
    );
    const pending = failureOf(client.deactivateUserGrant(grant, { timeoutMs: 1_000 }));
    await vi.waitUntil(() => pings > 0, { interval: 1 });

    await client.deactivateUserGrant(grant, { timeoutMs: 900 });

    expect((await pending).code).toBe(Code.DeadlineExceeded);
  });

  test("of a half-open connection costs no call: another connection is opened at once", async () => {
    const server = await startGrpcServer(({ stream }) => respond(stream, {}));
    const proxy = await startRelay(Number(new URL(server.baseUrl).port));
    onTestFinished(proxy.shut);
    const client = createClient("grpc", { baseUrl: proxy.baseUrl, pingIntervalMs: 1 });
    await client.deactivateUserGrant(grant);
    proxy.freeze();
    await new Promise((resolve) => setTimeout(resolve, 5));

    // A PING has 15 s.
    await Promise.all(
      Array.from({ length: 20 }, () => client.deactivateUserGrant(grant, { timeoutMs: 5_000 })),
    );

    expect(proxy.connections()).toBe(2);
  });
});

describe("a response that is complete before the request", () => {
  const large = { grantId: Array.from({ length: 20_000 }, (_, index) => String(index)) };
  test.each([
    ["a message without a status", false, Code.Internal],
    ["a page", true, Code.Unavailable],
  ])("by END_STREAM on a DATA frame, with %s, settles the call", async (_, isPage, code) => {
    const server = createServer({ settings: { initialWindowSize: 10 } });
    server.on("stream", (stream) => {
      stream.on("error", () => undefined);
      // The request is not read, so that the client may not send more of it.
      stream.respond({
        ":status": isPage ? 503 : 200,
        "content-type": isPage ? "text/html" : "application/grpc+proto",
      });
      stream.end(isPage ? "" : frame(0, ""));
    });
    const baseUrl = `http://127.0.0.1:${await listenForTest(server)}`;
    const client = createClient("grpc", { baseUrl });

    const error = await failureOf(client.bulkRemoveUserGrant(large, { timeoutMs: 5_000 }));

    expect(error.code).toBe(code);
  });
});

test.each([1_000, 3_900])(
  "a response with %i header fields does not terminate the process",
  async (count) => {
    const fields = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`x${index}`, ""]),
    );
    const { server } = await connected((exchange) => {
      exchange.head(fields);
      exchange.body(frame(0, message));
      exchange.end({ "grpc-status": "0" });
    });
    const ended = runProgram(`
    import { close, createManagementClient } from "zitadel-user-grants/grpc";
    const client = createManagementClient({ baseUrl: "${server.baseUrl}" });
    const { details } = await client.deactivateUserGrant({ userId: "1", grantId: "2" });
    close(client);
    console.log(String(details.sequence));
  `);

    expect(await ended).toEqual({ exitCode: 0, output: "5\n" });
  },
);

test("a call without a deadline keeps the process alive, whatever it waits for", async () => {
  const { server } = await connected((exchange) => setTimeout(() => respondWell(exchange), 50), {
    settings: () => Uint8Array.of(0, 3, 0, 0, 0, 0),
  });
  const going = new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const [socket] = server.sockets;
      if (socket !== undefined) {
        clearInterval(timer);
        // Streams are allowed after a while.
        setTimeout(() => {
          socket.write(Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9]));
          resolve();
        }, 50);
      }
    }, 1);
  });
  const ended = runProgram(`
    import { createManagementClient } from "zitadel-user-grants/grpc";
    const client = createManagementClient({ baseUrl: "${server.baseUrl}" });
    await client.deactivateUserGrant({ userId: "1", grantId: "2" }, { timeoutMs: 0 });
    console.log("done");
  `);
  await going;

  expect(await ended).toEqual({ exitCode: 0, output: "done\n" });
});

test.each([
  [2_000, 3_000, "the 2000 that the server allows"],
  [2_000, 70_000, "the 2000 that the server allows"],
])(
  "a server that accepts %i bytes of headers and a header of %i: InvalidArgument",
  async (maxHeaderListSize, length, limit) => {
    const { server, client } = await connectedToNode(({ stream }) => respond(stream, {}), {
      settings: { maxHeaderListSize },
    });
    await client.deactivateUserGrant(grant);

    const error = await failureOf(
      client.deactivateUserGrant(grant, { headers: { "x-long": "x".repeat(length) } }),
    );

    expect(error.code, String(error)).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/headers of the request have \d+ bytes, more than/);
    expect(error.rawMessage).toContain(limit);
    expect(mayHaveBeenApplied(error)).toBe(false);
    expect(server.calls).toHaveLength(1);
  },
);

test("a header of 70,000 bytes is sent to a server that takes it", async () => {
  const { server, client } = await connectedToNode(({ stream }) => respond(stream, {}), {
    settings: { maxHeaderListSize: 1_000_000 },
    maxSessionMemory: 100,
  });

  await client.deactivateUserGrant(grant, { headers: { "x-long": "x".repeat(70_000) } });

  expect(server.calls[0]?.header["x-long"]).toHaveLength(70_000);
});

test.each(["application/grpc;charset=utf-8", "application/grpc+proto; charset=utf-8"])(
  "%s is gRPC",
  async (contentType) => {
    const { client } = await connectedToNode(({ stream }) =>
      respond(stream, { header: { "content-type": contentType } }),
    );

    await client.deactivateUserGrant(grant);
  },
);

test("a status beside an unknown encoding counts if there is no message", async () => {
  const { client } = await connectedToNode(({ stream }) =>
    respond(stream, {
      header: { "grpc-encoding": "zstd" },
      body: Buffer.alloc(0),
      trailer: { "grpc-status": "5" },
    }),
  );

  expect((await failureOf(client.deactivateUserGrant(grant))).code).toBe(Code.NotFound);
});

test("a stream that both sides have closed is not reset", async () => {
  const resets: number[] = [];
  const { client } = await connected((exchange) => {
    respondWell(exchange);
    exchange.socket.on("data", (chunk: Buffer) => {
      for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3)) {
        if (chunk[at + 3] === frameType.rstStream) {
          resets.push(chunk.readUInt32BE(at + 5));
        }
      }
    });
  });

  for (let call = 0; call < 5; call++) {
    await client.deactivateUserGrant(grant);
  }

  expect(resets).toEqual([]);
});
