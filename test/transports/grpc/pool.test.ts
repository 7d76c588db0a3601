import type { ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { Code, type ConnectError } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Connection } from "../../../src/transports/grpc/connection.js";
import type { Waiter } from "../../../src/transports/grpc/pool.js";
import { ConnectionPool } from "../../../src/transports/grpc/pool.js";
import { encodeFrame, frameType, goaway } from "../../faults/http2-wire.js";
import { FakeEnvironment } from "../../support/fake-environment.js";
import { listenForTest } from "../../support/http-server.js";

/** A server that does as told with each connection, counted from 1. */
async function startServer(onConnection: (socket: Socket, number: number) => void) {
  let connections = 0;
  const server = createServer((socket) => onConnection(socket, ++connections));
  return {
    origin: `http://127.0.0.1:${await listenForTest(server)}`,
    connections: () => connections,
  };
}

function createPool(origin: string, environment: FakeEnvironment) {
  const pool = new ConnectionPool(
    {
      origin,
      nodeOptions: undefined,
      connectTimeoutMs: 5_000,
      pingIntervalMs: Number.POSITIVE_INFINITY,
      pingIdleConnection: false,
      pingTimeoutMs: 5_000,
      idleConnectionTimeoutMs: 60_000,
    },
    environment,
  );
  onTestFinished(() => pool.close());
  return pool;
}

function waiter() {
  const errors: ConnectError[] = [];
  let started = 0;
  const self: Waiter & { errors: ConnectError[]; readonly started: number } = {
    start: () => {
      started += 1;
    },
    fail: (error) => void errors.push(error),
    errors,
    get started() {
      return started;
    },
  };
  return self;
}

const settings = (maxConcurrentStreams?: number) =>
  encodeFrame(
    frameType.settings,
    0,
    0,
    maxConcurrentStreams === undefined
      ? Buffer.alloc(0)
      : Buffer.from([0, 3, 0, 0, 0, maxConcurrentStreams]),
  );
const until = (condition: () => boolean) =>
  vi.waitUntil(condition, { interval: 1, timeout: 5_000 });

describe("a server that accepts connections and closes them at once", () => {
  test.each([
    [
      "by GOAWAY",
      (socket: Socket) => {
        socket.write(encodeFrame(frameType.goaway, 0, 0, goaway(0, 0)));
      },
    ],
    ["by FIN", (socket: Socket) => socket.end()],
    ["by RST", (socket: Socket) => void setTimeout(() => socket.resetAndDestroy(), 10)],
  ])("%s is retried after 1 s, 1.6 s, 2.56 s, …, 120 s at most", async (_, end) => {
    const server = await startServer((socket) => {
      socket.write(settings(0));
      end(socket);
    });
    const environment = new FakeEnvironment();
    const pool = createPool(server.origin, environment);
    const call = waiter();
    pool.run(call);
    const delays: number[] = [];

    for (let round = 0; round < 14; round++) {
      // The first failure in a row is tried again at once.
      await until(() => environment.nextMs !== undefined);
      expect(server.connections()).toBe(round + 2);
      delays.push(Math.round(environment.nextMs ?? 0));
      await environment.advance(environment.nextMs ?? 0);
    }

    expect(delays.slice(0, 4)).toEqual([1_000, 1_600, 2_560, 4_096]);
    expect(delays.at(-1)).toBe(120_000);
    expect(call).toMatchObject({ errors: [], started: 0 });
  });
});

test("with a limit of 0 streams, calls wait for the same connection", async () => {
  const opened: Socket[] = [];
  const server = await startServer((socket) => {
    opened.push(socket);
    socket.write(settings(0));
  });
  const environment = new FakeEnvironment();
  const pool = createPool(server.origin, environment);
  const calls = Array.from({ length: 50 }, waiter);
  for (const call of calls) {
    pool.run(call);
  }
  await until(() => opened.length > 0);
  opened[0]!.write(settings(0));
  opened[0]!.write(settings(100));

  await until(() => calls.every(({ started }) => started === 1));
  expect(server.connections()).toBe(1);
});

test("a further connection that failed is retried while calls wait", async () => {
  const server = await startServer((socket, number) => {
    if (number === 1) {
      socket.write(settings(1));
    } else if (number < 5) {
      socket.destroy();
    } else {
      socket.write(settings(100));
    }
  });
  const environment = new FakeEnvironment();
  const pool = createPool(server.origin, environment);
  const first = waiter();
  const second = waiter();
  pool.run({
    start: (connection) => {
      first.start(connection);
      connection.request([":path", "/"]).on("error", () => undefined);
    },
    fail: first.fail,
  });
  await until(() => first.started === 1);
  pool.run(second);

  for (const expected of [3, 4]) {
    await until(() => environment.nextMs !== undefined);
    expect(server.connections()).toBe(expected);
    await environment.advance(environment.nextMs ?? 0);
  }

  await until(() => second.started === 1);
  expect(second.errors).toEqual([]);
  expect(server.connections()).toBe(5);
});

test("calls that wait are not sent on a connection whose call got no response, until a PING is acknowledged", async () => {
  const pingHeader = encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)).subarray(0, 9);
  let received = Buffer.alloc(0);
  let pong: (() => void) | undefined;
  const server = await startServer((socket, number) => {
    if (number === 1) {
      socket.write(settings(1));
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const at = received.indexOf(pingHeader) + pingHeader.length;
        const payload = received.subarray(at, at + 8);
        if (at >= pingHeader.length && payload.length === 8) {
          pong = () => void socket.write(encodeFrame(frameType.ping, 1, 0, payload));
        }
      });
    } // Every other connection is accepted and never speaks.
  });
  const environment = new FakeEnvironment();
  const pool = createPool(server.origin, environment);
  const connections: Connection[] = [];
  const streams: ClientHttp2Stream[] = [];
  const first = waiter();
  pool.run({
    start: (connection) => {
      first.start(connection);
      connections.push(connection);
      const stream = connection.request([":path", "/"]);
      stream.on("error", () => undefined);
      stream.on("close", () => connection.release());
      streams.push(stream);
    },
    fail: first.fail,
  });
  const second = waiter();
  pool.run(second);
  await until(() => first.started === 1);
  // As a call does that ends at its deadline.
  connections[0]?.liveness.suspect();
  streams[0]?.close(8);

  await until(() => pong !== undefined);
  expect(second.started).toBe(0);

  pong?.();
  await until(() => second.started === 1);
});

test("while no connection can be made, calls wait for the next attempt, and fail with a second failure", async () => {
  const environment = new FakeEnvironment();
  const pool = createPool("http://127.0.0.1:1", environment);
  const first = waiter();
  pool.run(first);
  await until(() => first.errors.length === 1);
  pool.run(first);
  await until(() => first.errors.length === 2);

  const second = waiter();
  pool.run(second);
  expect(second.errors).toEqual([]);
  expect(environment.nextMs).toBe(1_000);
  expect(pool.obstacle()).toContain("ECONNREFUSED");

  await environment.advance(environment.nextMs ?? 0);
  await until(() => second.errors.length === 1);
  expect(second.errors[0]?.code).toBe(Code.Unavailable);
});

test("calls fail at once if the last failure is permanent", async () => {
  const server = await startServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const environment = new FakeEnvironment();
  const pool = createPool(server.origin, environment);
  const call = waiter();
  pool.run(call);
  await until(() => call.errors.length === 1);
  pool.run(call);
  await until(() => call.errors.length === 2);

  pool.run(call);

  expect(call.errors).toHaveLength(3);
  expect(call.errors[2]?.rawMessage).toContain("not HTTP/2");
  expect(server.connections()).toBe(2);
});
