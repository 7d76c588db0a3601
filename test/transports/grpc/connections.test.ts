import { once } from "node:events";
import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Code } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { mayHaveBeenApplied } from "../../../src/errors/certainty.js";
import { close, type GrpcOptions } from "../../../src/grpc.js";
import { type ReceivedCall, respond, startGrpcServer } from "../../support/grpc-server.js";
import { createClient, failureOf } from "../../support/protocols.js";
import { startRelay } from "../../support/relay.js";

const connectTo = (options: GrpcOptions) => createClient("grpc", options);

/** A relay to a server of the test. */
async function relayTo({ baseUrl }: { baseUrl: string }) {
  const relay = await startRelay(Number(new URL(baseUrl).port));
  onTestFinished(relay.shut);
  return relay;
}

/** Accepts connections and never speaks. */
async function startSilence() {
  const relay = await startRelay(1, { held: new Promise(() => undefined) });
  onTestFinished(relay.shut);
  return relay.baseUrl;
}

const request = { userId: "1", grantId: "2" };
const respondOk = ({ stream }: ReceivedCall) => respond(stream, {});

describe("connections are", () => {
  test("opened by the first call, and shared", async () => {
    const server = await startGrpcServer(respondOk);
    const client = connectTo({ baseUrl: server.baseUrl });
    expect(server.sessions).toHaveLength(0);

    await Promise.all(Array.from({ length: 50 }, () => client.deactivateUserGrant(request)));
    await client.deactivateUserGrant(request);

    expect(server.sessions).toHaveLength(1);
  });

  test("as many as the calls in flight need, if the server limits its streams", async () => {
    const held: ReceivedCall[] = [];
    const server = await startGrpcServer(
      (call) => {
        // No call gets a response until all are there, so none may wait for another.
        if (held.push(call) === 5) {
          held.forEach(respondOk);
        }
      },
      { settings: { maxConcurrentStreams: 2 } },
    );
    const client = connectTo({ baseUrl: server.baseUrl });

    await Promise.all(Array.from({ length: 5 }, () => client.deactivateUserGrant(request)));

    expect(server.sessions).toHaveLength(3);
  });

  test("enough for 10,000 calls at once", { timeout: 60_000 }, async () => {
    const server = await startGrpcServer(respondOk, { settings: { maxConcurrentStreams: 250 } });
    const client = connectTo({ baseUrl: server.baseUrl, defaultTimeoutMs: 60_000 });

    await Promise.all(Array.from({ length: 10_000 }, () => client.deactivateUserGrant(request)));

    expect(server.calls).toHaveLength(10_000);
  });

  test("made with nodeOptions", async () => {
    const server = await startGrpcServer(respondOk);
    const { port } = new URL(server.baseUrl);
    const client = connectTo({
      baseUrl: "http://nowhere.invalid",
      allowInsecure: true,
      nodeOptions: { createConnection: () => connect(Number(port), "127.0.0.1") },
    });

    await client.deactivateUserGrant(request);

    expect(server.calls[0]?.header[":authority"]).toBe("nowhere.invalid");
  });

  test("closed when no call needed them for a while", async () => {
    const server = await startGrpcServer(respondOk);
    const client = connectTo({ baseUrl: server.baseUrl, idleConnectionTimeoutMs: 1 });

    await client.deactivateUserGrant(request);
    await once(server.sessions[0]!, "close");
    await client.deactivateUserGrant(request);

    expect(server.sessions).toHaveLength(2);
  });

  test("reopened after the server closed them", async () => {
    const server = await startGrpcServer(respondOk);
    const client = connectTo({ baseUrl: server.baseUrl });
    await client.deactivateUserGrant(request);

    server.sessions[0]?.destroy();
    await once(server.sessions[0]!, "close");

    await client.deactivateUserGrant(request);
    expect(server.sessions).toHaveLength(2);
  });
});

describe("a connection that became unresponsive", () => {
  test("while idle is detected before it is used again", async () => {
    const server = await startGrpcServer(respondOk);
    const proxy = await relayTo(server);
    const client = connectTo({
      baseUrl: proxy.baseUrl,
      pingIntervalMs: 1,
      pingTimeoutMs: 10_000,
    });
    await client.deactivateUserGrant(request);

    proxy.freeze();
    const frozenAtMs = performance.now();
    while (performance.now() - frozenAtMs <= 1) {
      // Until the connection has been silent for longer than the interval.
    }

    await client.deactivateUserGrant(request);
    expect(proxy.connections()).toBe(2);
  });

  test("during a call is detected by a ping, before the deadline", async () => {
    const server = await startGrpcServer(() => proxy.freeze());
    const proxy = await relayTo(server);
    const client = connectTo({
      baseUrl: proxy.baseUrl,
      pingIntervalMs: 5,
      pingTimeoutMs: 5,
    });

    const error = await failureOf(client.deactivateUserGrant(request));

    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain("PING");
    expect(mayHaveBeenApplied(error)).toBe(true);
  });

  test("is not trusted by the call after one that timed out on it", async () => {
    const server = await startGrpcServer((call) => {
      if (server.calls.length === 2) {
        proxy.freeze();
      } else {
        respondOk(call);
      }
    });
    const proxy = await relayTo(server);
    const client = connectTo({ baseUrl: proxy.baseUrl, pingTimeoutMs: 20 });
    await client.deactivateUserGrant(request);

    const error = await failureOf(client.deactivateUserGrant(request, { timeoutMs: 20 }));
    expect(error.code).toBe(Code.DeadlineExceeded);

    await client.deactivateUserGrant(request);
    expect(proxy.connections()).toBe(2);
  });
});

describe("GOAWAY", () => {
  test("moves the calls that the server did not process to a new connection, and no others", async () => {
    const server = await startGrpcServer((call) => {
      if (server.sessions.length > 1) {
        respondOk(call);
      } else if (server.calls.length === 2) {
        // Takes the first stream and not the second.
        call.stream.session?.goaway(0, 1);
        respondOk(server.calls[0]!);
      }
    });
    const client = connectTo({ baseUrl: server.baseUrl });

    await Promise.all([client.deactivateUserGrant(request), client.deactivateUserGrant(request)]);

    expect(server.sessions).toHaveLength(2);
    expect(server.calls.map(({ stream }) => stream.session === server.sessions[1])).toHaveLength(3);
  });
});

describe("a call without a connection", () => {
  test("fails when the server does not open one in time", async () => {
    const baseUrl = await startSilence();
    const client = connectTo({ baseUrl, connectTimeoutMs: 20 });

    const error = await failureOf(client.deactivateUserGrant(request));

    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain("within 20 ms");
    expect(mayHaveBeenApplied(error)).toBe(false);
  });

  test("settles at its deadline and at its abort while it waits for one", async () => {
    const baseUrl = await startSilence();
    const client = connectTo({ baseUrl });
    const signal = AbortSignal.abort("enough");

    const [late, aborted] = await Promise.all([
      failureOf(client.deactivateUserGrant(request, { timeoutMs: 20 })),
      failureOf(client.deactivateUserGrant(request, { signal })),
    ]);

    expect(late.code).toBe(Code.DeadlineExceeded);
    expect(aborted.code).toBe(Code.Canceled);
    expect(aborted.cause).toBe("enough");
  });
});

describe("close", () => {
  test("settles calls in flight, calls that wait, and later ones with Canceled", async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const server = await startGrpcServer(() => arrive(), { settings: { maxConcurrentStreams: 1 } });
    const client = connectTo({ baseUrl: server.baseUrl });
    const calls = [client.deactivateUserGrant(request), client.deactivateUserGrant(request)];
    const errors = Promise.all(calls.map(failureOf));
    await arrived;

    close(client);

    for (const error of [...(await errors), await failureOf(client.deactivateUserGrant(request))]) {
      expect(error.code).toBe(Code.Canceled);
      expect(error.rawMessage).toContain("closed");
    }
  });
});

test("20,000 calls leave no memory behind", { timeout: 60_000 }, async () => {
  const server = await startGrpcServer(({ stream }) => {
    server.calls.length = 0;
    respond(stream, {});
  });
  const client = connectTo({ baseUrl: server.baseUrl });
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  const run = async (calls: number) => {
    let left = calls;
    const loop = async () => {
      while (left-- > 0) {
        await client.deactivateUserGrant(request);
      }
    };
    await Promise.all(Array.from({ length: 64 }, loop));
    gc();
    return process.memoryUsage().heapUsed;
  };

  const before = await run(5_000);
  const after = await run(15_000);

  expect(after - before).toBeLessThan(3 * 2 ** 20);
});
