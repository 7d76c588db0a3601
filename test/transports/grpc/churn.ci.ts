import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { close, createManagementClient } from "../../../src/grpc.js";
import { frame } from "../../faults/exchange.js";
import { listen } from "../../support/listen.js";

const calls = 20_000;
const atOnce = 2_000;
const callsPerGoaway = 500;

/** Numbers from 0 to 1, the same each time. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Ends a connection as servers do: after its streams, in two steps, or in the middle of everything. */
const goaways: ((session: ServerHttp2Session, socket: Socket) => void)[] = [
  (session) => session.close(),
  (session) => {
    session.goaway(0, 2 ** 31 - 1);
    setTimeout(() => session.destroyed || session.close(), 5);
  },
  (session, socket) => {
    session.goaway(0);
    setTimeout(() => socket.destroy(), 5);
  },
];

/** A server that counts how often it has carried out each call, and says GOAWAY all the time. */
async function startServer(random: () => number) {
  const sockets = new WeakMap<ServerHttp2Session, Socket>();
  let lastSocket: Socket | undefined;
  const carriedOut = new Map<string, number>();
  let served = 0;
  let goawaysSent = 0;
  const carryOut = (stream: ServerHttp2Stream, id: string) => {
    if (stream.destroyed) {
      return;
    }
    carriedOut.set(id, (carriedOut.get(id) ?? 0) + 1);
    stream.respond(
      { ":status": 200, "content-type": "application/grpc+proto" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(frame(0, ""));
    if (++served % callsPerGoaway === 0) {
      const { session } = stream;
      const socket = session && sockets.get(session as ServerHttp2Session);
      // Gone already, when it was ended a moment ago.
      if (socket !== undefined) {
        goaways[goawaysSent++ % goaways.length]?.(session as ServerHttp2Session, socket);
      }
    }
  };
  const server = createServer({ settings: { maxConcurrentStreams: 100 } });
  // A session does not give away its socket; its event follows that of the connection.
  server.on("connection", (socket: Socket) => {
    lastSocket = socket;
  });
  server.on("session", (session) => {
    sockets.set(session, lastSocket as Socket);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, header) => {
    stream.on("error", () => undefined);
    stream.resume();
    stream.on("end", () => {
      const id = String(header["x-call"]);
      setTimeout(() => carryOut(stream, id), 20 * random());
    });
  });
  const { port, sockets: open, close } = await listen(server);
  onTestFinished(close);
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    carriedOut,
    open,
    goaways: () => goawaysSent,
  };
}

/**
 * The name of a failure's code.
 *
 * Node's server counts a stream that was reset until its JavaScript has seen that. A new stream behind the
 * RST_STREAM in one segment is then one too many to it, and it resets it with ENHANCE_YOUR_CALM: an end of
 * its own, as long as it has not carried out the call.
 */
function endingOf(error: ConnectError, carriedOut: boolean): string {
  const overCounted =
    error.code === Code.ResourceExhausted &&
    error.message.includes("ENHANCE_YOUR_CALM") &&
    !carriedOut;
  return overCounted ? "over-counted by Node's server" : (Code[error.code] as string);
}

test("20,000 calls through GOAWAYs, deadlines and aborts: none lost, none doubled, no handle left", async () => {
  const random = createRandom(20_261_124);
  const server = await startServer(random);
  // Both ends are in this process, and Node's server sometimes keeps its own open.
  const clientHandles = () =>
    process.getActiveResourcesInfo().filter((name) => /^TCPSocket|^TLS/.test(name)).length -
    server.open.size;
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const timersBefore = timers();
  const client = createManagementClient({ baseUrl: server.baseUrl, defaultTimeoutMs: 30_000 });
  const endings = new Map<string, number>();
  const doubled: string[] = [];
  const untrue: string[] = [];
  let next = 0;
  const one = async () => {
    const id = String(next++);
    const controller = new AbortController();
    const kind = random();
    // A tenth each: a deadline that may pass, an abort that may come first.
    const timeoutMs = kind < 0.1 ? 1 + Math.floor(60 * random()) : undefined;
    const abortTimer =
      kind >= 0.1 && kind < 0.2 ? setTimeout(() => controller.abort(), 60 * random()) : undefined;
    const ending = await client
      .deactivateUserGrant(
        { userId: "1", grantId: id },
        { headers: { "x-call": id }, signal: controller.signal, ...(timeoutMs && { timeoutMs }) },
      )
      .then(
        () => "OK",
        (error: unknown) => endingOf(ConnectError.from(error), server.carriedOut.has(id)),
      );
    clearTimeout(abortTimer);
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
    if (ending === "OK" && server.carriedOut.get(id) !== 1) {
      untrue.push(id);
    }
  };
  const caller = async () => {
    while (next < calls) {
      await one();
    }
  };

  await Promise.all(Array.from({ length: atOnce }, caller));
  close(client);
  for (const [id, times] of server.carriedOut) {
    if (times > 1) {
      doubled.push(id);
    }
  }
  await expect.poll(clientHandles).toBe(0);

  expect([...endings.values()].reduce((sum, count) => sum + count)).toBe(calls);
  expect(untrue).toEqual([]);
  expect(doubled).toEqual([]);
  expect([...endings.keys()].sort()).toEqual(
    expect.arrayContaining(["Canceled", "DeadlineExceeded", "OK"]),
  );
  // What was cut in the middle of everything is Unavailable, and nothing else may come of a call.
  const others = [
    "Canceled",
    "DeadlineExceeded",
    "OK",
    "Unavailable",
    "over-counted by Node's server",
  ];
  expect([...endings.keys()].filter((ending) => !others.includes(ending))).toEqual([]);
  expect(endings.get("OK")).toBeGreaterThan(0.7 * calls);
  expect(server.goaways()).toBeGreaterThan(20);
  await expect.poll(timers).toBeLessThanOrEqual(timersBefore);
});
