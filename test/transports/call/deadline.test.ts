import { createServer as createHttpServer } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { removeUserGrants } from "../../../src/bulk/index.js";
import { mayHaveBeenApplied } from "../../../src/errors/certainty.js";
import { messageJson } from "../../faults/exchange.js";
import { respond, respondHeadersOnly, startGrpcServer } from "../../support/grpc-server.js";
import { listenForTest, okResponse } from "../../support/http-server.js";
import { createClient, failureOf, protocols } from "../../support/protocols.js";

const request = { userId: "1", grantId: "2" };

/** What a ZITADEL says when its own clock runs out first. */
const odd = [
  { "grpc-status": "13", "grpc-message": "unable to set instance: context deadline exceeded" },
  { "grpc-status": "7", "grpc-message": "Organisation doesn't exist (AUTH-Bs7Ds)" },
  { "grpc-status": "5", "grpc-message": "unable to set instance" },
];

function timeoutOf(value: string | string[] | undefined): number {
  const [, digits, unit = "m"] = /^(\d+)([mS])$/.exec(String(value)) ?? [];
  return digits === undefined
    ? Number.POSITIVE_INFINITY
    : Number(digits) * (unit === "S" ? 1e3 : 1);
}

/** A server that works for `workMs`, and says something else when the time it was given is over. */
async function startSlowServers(workMs: () => number) {
  const native = await startGrpcServer(({ stream, header }) => {
    const limitMs = timeoutOf(header["grpc-timeout"]);
    const takesMs = workMs();
    setTimeout(
      () => {
        if (stream.destroyed) {
          return;
        }
        if (takesMs < limitMs) {
          respond(stream, {});
        } else {
          respondHeadersOnly(stream, odd[Math.floor(takesMs) % odd.length]!);
        }
      },
      Math.min(takesMs, limitMs),
    );
  });
  const overFetch = createHttpServer((incoming, response) => {
    const isWeb = incoming.headers["content-type"]?.startsWith("application/grpc-web") === true;
    const limitMs = timeoutOf(incoming.headers["grpc-timeout"]);
    incoming.resume();
    setTimeout(() => {
      if (limitMs !== Number.POSITIVE_INFINITY) {
        response.writeHead(500).end();
      } else if (isWeb) {
        response.writeHead(200, { "content-type": "application/grpc-web+proto" });
        response.end(okResponse);
      } else {
        response.writeHead(200, { "content-type": "application/json" }).end(messageJson);
      }
    }, workMs());
  });
  const baseUrl = `http://127.0.0.1:${await listenForTest(overFetch)}`;
  return { grpc: native.baseUrl, "grpc-web": baseUrl, json: baseUrl };
}

describe.each(protocols)("over %s", (protocol) => {
  test("500 calls with 1 to 25 ms are OK or DeadlineExceeded, whatever the server returns at its own", async () => {
    let calls = 0;
    const urls = await startSlowServers(() => calls++ % 30);
    const client = createClient(protocol, { baseUrl: urls[protocol] });
    const endings = new Map<string, number>();
    const one = async (timeoutMs: number) => {
      const ending = await client.deactivateUserGrant(request, { timeoutMs }).then(
        () => "OK",
        (error: unknown) => Code[ConnectError.from(error).code],
      );
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
    };
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 25 }, (_, index) => one(index + 1)));
    }

    const names = [...endings.keys()].filter((name) => name !== "OK");
    expect(names).toEqual(["DeadlineExceeded"]);
    expect([...endings.values()].reduce((a, b) => a + b)).toBe(500);
  });

  test("a call that is never sent reports so at its deadline", async () => {
    const client = createClient(protocol, {
      baseUrl: "http://127.0.0.1:1",
      token: () => new Promise(() => undefined),
    });

    const error = await failureOf(client.deactivateUserGrant(request, { timeoutMs: 5 }));

    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect(String(error)).toContain("nothing was sent");
    expect(mayHaveBeenApplied(error)).toBe(false);
  });
});

test("a server's error at the deadline does not stop a bulk run", async () => {
  let requests = 0;
  const { grpc: baseUrl } = await startSlowServers(() => (requests++ < 2 ? 10_000 : 0));
  const client = createClient("grpc", { baseUrl });

  const statuses = [];
  for await (const { status } of removeUserGrants(client, ["1", "2"], { timeoutMs: 200 })) {
    statuses.push(status);
  }

  expect(statuses).toEqual(["removed", "removed"]);
  expect(requests).toBeGreaterThan(2);
});

test("a status that arrives before the timer has fired but after the deadline is DeadlineExceeded", async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const server = await startGrpcServer(({ stream }) => {
    // The loop stands still until the deadline is over, and the response is there when it goes on.
    respondHeadersOnly(stream, odd[2]!);
    arrive();
  });
  const client = createClient("grpc", {
    baseUrl: server.baseUrl,
    interceptors: [
      (next) => async (call) => {
        const pending = next(call);
        await arrived;
        const until = performance.now() + 60;
        while (performance.now() < until) {
          // Nothing else runs.
        }
        return await pending;
      },
    ],
  });

  const error = await failureOf(client.deactivateUserGrant(request, { timeoutMs: 50 }));

  expect(error).toMatchObject({ code: Code.DeadlineExceeded });
  // It is still a decision.
  expect(mayHaveBeenApplied(error)).toBe(false);
});
