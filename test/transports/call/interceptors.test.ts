import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { type GrpcOptions, mayHaveBeenApplied } from "../../../src/grpc.js";
import type { JsonOptions } from "../../../src/json.js";
import { type Exchange, respondWell } from "../../faults/exchange.js";
import { respond, startGrpcServer } from "../../support/grpc-server.js";
import { createClient, failureOf, protocols, startWire } from "../../support/protocols.js";

const grant = { userId: "1", grantId: "2" };

/** Responds to all requests but the first, which ends when the client ends it. */
function leaveFirst() {
  const first = Promise.withResolvers<Exchange>();
  return {
    respond: (exchange: Exchange) =>
      exchange.number === 1 ? first.resolve(exchange) : respondWell(exchange),
    arrived: first.promise,
    over: first.promise.then((exchange) => exchange.over),
  };
}

describe.each(protocols)("over %s", (protocol) => {
  async function connected(
    respond: (exchange: Exchange) => void,
    options: Partial<GrpcOptions & JsonOptions>,
  ) {
    const { baseUrl } = await startWire(protocol, respond);
    return { client: createClient(protocol, { baseUrl, ...options }) };
  }
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "OK",
      (error: unknown) => Code[ConnectError.from(error).code],
    );

  test.each([
    ["for a response", {}],
    ["for a token", { token: () => new Promise<string>(() => undefined) }],
  ])("a limiter gets its slots back when calls that wait %s end", async (_, options) => {
    let running = 0;
    const limiter: Interceptor = (next) => async (call) => {
      running += 1;
      try {
        return await next(call);
      } finally {
        running -= 1;
      }
    };
    const { client } = await connected(() => undefined, {
      interceptors: [limiter],
      ...options,
    });
    // Interceptors see calls from when there is a transport.
    await vi.dynamicImportSettled();
    const controller = new AbortController();
    const calls = Promise.all([
      codeOf(client.deactivateUserGrant(grant, { timeoutMs: 20 })),
      codeOf(client.deactivateUserGrant(grant, { timeoutMs: 20 })),
      codeOf(client.deactivateUserGrant(grant, { signal: controller.signal })),
    ]);
    controller.abort();

    expect(await calls).toEqual(["DeadlineExceeded", "DeadlineExceeded", "Canceled"]);
    expect(running).toBe(0);
  });

  test("an interceptor can replace the error of a deadline, but cannot delay the call beyond it", async () => {
    const fallback: Interceptor = (next) => async (call) => {
      try {
        return await next(call);
      } catch (reason) {
        throw new ConnectError(`seen: ${ConnectError.from(reason).code}`, Code.Aborted);
      }
    };
    const holder: Interceptor = (next) => async (call) => {
      try {
        return await next(call);
      } finally {
        await new Promise(() => undefined);
      }
    };
    const mapped = await connected(() => undefined, { interceptors: [fallback] });
    const held = await connected(() => undefined, { interceptors: [holder] });

    expect(await codeOf(mapped.client.deactivateUserGrant(grant, { timeoutMs: 20 }))).toBe(
      "Aborted",
    );
    expect(await codeOf(held.client.deactivateUserGrant(grant, { timeoutMs: 20 }))).toBe(
      "DeadlineExceeded",
    );
  });

  test.each([
    ["spreads it", (call: object, change: object) => ({ ...call, ...change })],
    [
      "derives from it",
      (call: object, change: object) =>
        Object.create(call, Object.getOwnPropertyDescriptors(change)),
    ],
    ["assigns to it", (call: object, change: object) => Object.assign(call, change)],
  ])(
    "the signal of an interceptor that %s cancels the attempt, on the wire too",
    async (_, change) => {
      const { respond, arrived, over } = leaveFirst();
      const seen: unknown[] = [];
      const { client } = await connected(respond, {
        interceptors: [
          (next) => async (call) => {
            const controller = new AbortController();
            const first = next(change({ ...call }, { signal: controller.signal }));
            await arrived;
            controller.abort(new Error("hedged"));
            await first.catch((reason) => seen.push(ConnectError.from(reason).code));
            return await next(call);
          },
        ],
      });

      await client.deactivateUserGrant(grant, { timeoutMs: 5_000 });
      await over;

      expect(seen).toEqual([Code.Canceled]);
    },
  );

  test("attempts still in progress when the call settles are cancelled", async () => {
    const { respond, arrived, over } = leaveFirst();
    const { client } = await connected(respond, {
      interceptors: [
        (next) => async (call) => {
          const first = next(call);
          first.catch(() => undefined);
          await arrived;
          return await Promise.race([first, next(call)]);
        },
      ],
    });

    await client.deactivateUserGrant(grant);
    await over;
  });

  test("the request is sent as interceptors changed it, and they see no token", async () => {
    const seen: string[] = [];
    const paths: string[] = [];
    const { client } = await connected(
      (exchange) => {
        paths.push(exchange.path);
        respondWell(exchange);
      },
      {
        token: "secret",
        orgId: "3",
        interceptors: [
          (next) => async (call) => {
            const url = call.url.replace(/\/(?=[^/]*$)/, "/changed-");
            const header = new Headers(call.header);
            header.set("x-changed", "1");
            const response = await next({ ...call, url, header } as typeof call);
            seen.push(...call.header.keys());
            return response;
          },
        ],
      },
    );

    await client.deactivateUserGrant(grant);

    expect(seen).not.toContain("authorization");
    if (protocol !== "grpc") {
      expect(paths[0]).toContain("/changed-");
    }
  });
});

test("a URL is sent in one form, however an interceptor writes it", async () => {
  const server = await startGrpcServer(({ stream }) => respond(stream, {}));
  const { host } = new URL(server.baseUrl);
  const urls = [`http://user:secret-1@${host}/a/B`, `HTTP://${host.toUpperCase()}/a/B#part`];
  const client = createClient("grpc", {
    baseUrl: server.baseUrl,
    interceptors: [(next) => (call) => next({ ...call, url: urls.pop() ?? "" } as typeof call)],
  });

  await client.deactivateUserGrant(grant);
  await client.deactivateUserGrant(grant);

  expect(server.calls.map(({ header }) => header[":path"])).toEqual(["/a/B", "/a/B"]);
});

test("an interceptor that ends its call and throws leaves nothing unhandled", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const controller = new AbortController();
  const client = createClient("json", {
    baseUrl: "http://localhost:9",
    interceptors: [
      () => () => {
        controller.abort();
        throw new Error("not today");
      },
    ],
  });

  await failureOf(client.deactivateUserGrant(grant, { signal: controller.signal }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", unhandled);

  expect(unhandled).not.toHaveBeenCalled();
});

test("native gRPC uses the path of the URL that an interceptor set, but not another server", async () => {
  const server = await startGrpcServer(({ stream }) => respond(stream, {}));
  const urls = [`${server.baseUrl}/elsewhere/Method`, "https://evil.example/x", "nonsense"];
  const client = createClient("grpc", {
    baseUrl: server.baseUrl,
    interceptors: [(next) => (call) => next({ ...call, url: urls.shift() ?? "" } as typeof call)],
  });

  await client.deactivateUserGrant(grant);
  for (let count = 0; count < 2; count++) {
    expect((await failureOf(client.deactivateUserGrant(grant))).code).toBe(Code.InvalidArgument);
  }

  expect(server.calls.map(({ header }) => header[":path"])).toEqual(["/elsewhere/Method"]);
});

test("a call settles whatever is thrown at it", async () => {
  const unreadable = Object.create(null);
  const frozen = Object.freeze(new ConnectError("frozen", Code.PermissionDenied));
  for (const thrown of [unreadable, frozen]) {
    const reject = () => Promise.reject(thrown);
    for (const options of [
      { interceptors: [() => reject] },
      { token: reject },
      { token: "secret-1", fetch: reject },
    ]) {
      const client = createClient("json", { baseUrl: "http://localhost:9", ...options });
      const error = await failureOf(client.deactivateUserGrant(grant));
      expect(mayHaveBeenApplied(error)).toBe("fetch" in options);
    }
  }
});
