import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { createRetry, retrySwitch } from "../../src/client/retry.js";
import type { Environment } from "../../src/common/time.js";
import {
  createManagementClient,
  DeactivateUserGrantResponseSchema,
  ManagementService,
  type RetryOptions,
} from "../../src/grpc-web.node.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { okResponse, respond, startHttpServer } from "../support/http-server.js";
import { failureOf } from "../support/protocols.js";
import { createScriptedClient } from "../support/scripted-attempts.js";

const grant = { userId: "1", grantId: "2" };
const bulk = { grantId: ["2"] };
const quick = { initialBackoffMs: 1 };
const unavailable = { "grpc-status": "14", "grpc-message": "away" };

/** Fails as the headers define, one call after the other, then responds with OK. */
async function startFlaky(...failures: Record<string, string>[]) {
  const left = [...failures];
  return await startHttpServer((_, response) => {
    const failure = left.shift();
    respond(response, failure === undefined ? okResponse : "", failure);
  });
}

describe("over a real connection", () => {
  it("nothing is retried without the option", async () => {
    for (const retry of [undefined, false]) {
      const { baseUrl, requests } = await startFlaky(unavailable);
      const client = createManagementClient({ baseUrl, retry });
      expect((await failureOf(client.deactivateUserGrant(grant))).code).toBe(Code.Unavailable);
      expect(requests).toHaveLength(1);
    }
  });

  it("a bulk removal is retried when no connection was made", async () => {
    const server = await startFlaky();
    await server.close();
    let attempts = 0;
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      retry: { ...quick, maxAttempts: 3 },
      fetch: (...args) => {
        attempts++;
        return fetch(...args);
      },
    });
    const error = await failureOf(client.bulkRemoveUserGrant(bulk));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/ECONNREFUSED.*nothing was sent/);
    // Each attempt is retried once by itself, since nothing was sent.
    expect(attempts).toBe(6);
  });

  it("a bulk removal is retried when the token endpoint could not be reached", async () => {
    const server = await startFlaky();
    let asked = 0;
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      retry: quick,
      token: () => {
        if (++asked < 3) {
          throw new ConnectError("the token endpoint is away", Code.Unavailable);
        }
        return "t";
      },
    });
    await client.bulkRemoveUserGrant(bulk);
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ["3", Code.InvalidArgument],
    ["5", Code.NotFound],
    ["8", Code.ResourceExhausted],
    ["13", Code.Internal],
  ])("grpc-status %s is final", async (status, code) => {
    const server = await startFlaky({ "grpc-status": status });
    const client = createManagementClient({ baseUrl: server.baseUrl, retry: quick });
    expect((await failureOf(client.deactivateUserGrant(grant))).code).toBe(code);
    expect(server.requests).toHaveLength(1);
  });

  it("the last error is the call's after maxAttempts", async () => {
    const server = await startFlaky(unavailable, unavailable, {
      ...unavailable,
      "x-request-id": "c",
    });
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      retry: { ...quick, maxAttempts: 3 },
    });
    const error = await failureOf(client.deactivateUserGrant(grant));
    expect(error.metadata.get("x-request-id")).toBe("c");
    expect(server.requests).toHaveLength(3);
  });

  it("the caller's interceptors see one call, the token source each attempt", async () => {
    const server = await startFlaky(unavailable);
    const seen: string[] = [];
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      retry: quick,
      token: () => {
        seen.push("token");
        return `t-${seen.length}`;
      },
      interceptors: [
        (next) => (request) => {
          seen.push("interceptor");
          return next(request);
        },
      ],
    });
    await client.deactivateUserGrant(grant);
    expect(seen).toEqual(["interceptor", "token", "token"]);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer t-2",
      "Bearer t-3",
    ]);
  });

  it("a call that would wait beyond its deadline fails at once, with the server's error", async () => {
    const server = await startFlaky({ ...unavailable, "retry-after": "20" });
    const client = createManagementClient({ baseUrl: server.baseUrl, retry: true });
    const error = await failureOf(client.deactivateUserGrant(grant, { timeoutMs: 10_000 }));
    expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "away" });
    expect(server.requests).toHaveLength(1);
  });

  it("an abort settles the wait with Canceled and the caller's reason", async () => {
    const server = await startFlaky({ ...unavailable, "retry-after": "20" });
    const controller = new AbortController();
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      retry: true,
      token: () => "t",
    });
    const call = failureOf(
      client.deactivateUserGrant(grant, { signal: controller.signal, timeoutMs: 0 }),
    );
    const wait = vi.spyOn(globalThis, "setTimeout");
    await vi.waitUntil(() => wait.mock.calls.some(([, ms]) => ms === 20_000), { interval: 1 });
    wait.mockRestore();
    controller.abort("enough");
    const error = await call;
    expect(error.code).toBe(Code.Canceled);
    expect(error.cause).toBe("enough");
    expect(server.requests).toHaveLength(1);
  });
});

describe("the waits between attempts", () => {
  /** The waits of a deactivation that fails with these headers, with what ended it. */
  async function waits(options: RetryOptions, failures: HeadersInit[], random = () => 0.5) {
    const left = [...failures];
    const fake = new FakeEnvironment();
    const delays: number[] = [];
    const environment: Environment = {
      ...fake,
      random,
      setTimer: (callback, delayMs) => {
        delays.push(delayMs);
        return fake.setTimer(callback, delayMs);
      },
    };
    const client = createScriptedClient(
      () => {
        const headers = left.shift();
        if (headers === undefined) {
          return create(DeactivateUserGrantResponseSchema);
        }
        throw new ConnectError("away", Code.Unavailable, headers);
      },
      createRetry(options, environment),
    );
    const outcome = client.deactivateUserGrant(grant).then(
      () => "ok",
      (reason) => ConnectError.from(reason).rawMessage.split(";")[0],
    );
    return { outcome: await fake.run(outcome), delays };
  }
  const away = [{}, {}, {}, {}];

  it("grow by the multiplier up to the longest", async () => {
    const options = { initialBackoffMs: 100, backoffMultiplier: 3, maxBackoffMs: 500 };
    expect(await waits({ ...options, maxTokens: 100 }, away)).toEqual({
      delays: [100, 300, 500, 500],
      outcome: "ok",
    });
  });

  it("vary by a fifth to both sides", async () => {
    const options = { initialBackoffMs: 1000, maxTokens: 100 };
    expect((await waits(options, [{}], () => 0)).delays).toEqual([800]);
    expect((await waits(options, [{}], () => 1)).delays[0]).toBeCloseTo(1200);
  });

  it("are what the server asks for, and start over after that", async () => {
    const pushback = { "grpc-retry-pushback-ms": "1234" };
    const { delays } = await waits({ maxTokens: 100 }, [{}, {}, pushback, {}]);
    expect(delays).toEqual([200, 400, 1234, 200]);
  });

  it.each([
    ["7", 7000],
    ["Sun, 22 Nov 2026 08:00:09 GMT", 9000],
  ])("follow Retry-After: %s", async (value, ms) => {
    expect((await waits({}, [{ "retry-after": value }])).delays).toEqual([ms]);
  });

  it.each(["soon", "-5", ""])("are the usual ones for Retry-After: %j", async (value) => {
    expect((await waits({}, [{ "retry-after": value }])).delays).toEqual([200]);
  });

  it.each(["-1", "soon", "1.5", ""])("end when the server pushes back with %j", async (value) => {
    expect(await waits({}, [{ "grpc-retry-pushback-ms": value }])).toEqual({
      delays: [],
      outcome: "away",
    });
  });

  it.each([
    { "retry-after": "61" },
    { "retry-after": "99999999999999999999" },
    { "grpc-retry-pushback-ms": "60001" },
  ])("are not longer than maxRetryAfterMs: %j fails at once", async (headers) => {
    expect(await waits({}, [headers])).toEqual({ delays: [], outcome: "away" });
  });
});

describe("retried methods", () => {
  /** How often a call is attempted that fails as UNAVAILABLE. */
  async function attempts(
    options: RetryOptions,
    call: (client: ReturnType<typeof make>["client"]) => Promise<unknown>,
    outer: Interceptor[] = [],
  ) {
    const made = make(options, outer);
    await failureOf(call(made.client));
    return made.count();
  }
  function make(options: RetryOptions, outer: Interceptor[] = []) {
    let count = 0;
    const fail = () => {
      count++;
      throw new ConnectError("away", Code.Unavailable);
    };
    const client = createScriptedClient(fail, createRetry({ ...quick, ...options }), outer);
    return { client, count: () => count };
  }

  it("include those that the option names", async () => {
    const idempotentMethods = [ManagementService.method.bulkRemoveUserGrant];
    const options = { maxAttempts: 3, idempotentMethods };
    expect(await attempts(options, (client) => client.bulkRemoveUserGrant(bulk))).toBe(3);
  });

  it.each([
    [0, 1],
    [1, 3],
    [2, 3],
  ])("by idempotency_level %i: %i attempts", async (idempotency, expected) => {
    const declare: Interceptor = (next) => (request) =>
      next(
        Object.create(request, {
          method: {
            value: Object.create(request.method, { idempotency: { value: idempotency } }),
          },
        }),
      );
    const call = (client: ReturnType<typeof make>["client"]) => client.bulkRemoveUserGrant(bulk);
    expect(await attempts({ maxAttempts: 3 }, call, [declare])).toBe(expected);
  });

  it("are not retried when the call switches it off", async () => {
    const contextValues = createContextValues().set(retrySwitch, false);
    const call = (client: ReturnType<typeof make>["client"]) =>
      client.deactivateUserGrant(grant, { contextValues });
    expect(await attempts({}, call)).toBe(1);
  });

  it("are not retried once half of the budget is used", async () => {
    const { client, count } = make({ maxTokens: 6, maxAttempts: 100 });
    await failureOf(client.deactivateUserGrant(grant));
    expect(count()).toBe(3);
    await failureOf(client.deactivateUserGrant(grant));
    expect(count()).toBe(4);
  });

  it("are retried again as successful calls restore the budget", async () => {
    let fail = true;
    let count = 0;
    const client = createScriptedClient(
      ({ method }) => {
        count++;
        if (fail) {
          throw new ConnectError("away", Code.Unavailable);
        }
        return create(method.output);
      },
      createRetry({ ...quick, maxTokens: 4, tokenRatio: 1 }),
    );
    await failureOf(client.deactivateUserGrant(grant));
    expect(count).toBe(2);
    fail = false;
    await client.bulkRemoveUserGrant(bulk);
    await client.bulkRemoveUserGrant(bulk);
    fail = true;
    count = 0;
    await failureOf(client.deactivateUserGrant(grant));
    expect(count).toBe(2);
  });
});

describe("the option", () => {
  const refusal = (retry: unknown) => {
    try {
      createManagementClient({ baseUrl: "https://example.com", retry } as never);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("accepted");
  };

  it.each([
    ["yes", /^retry must be true, false or an object; got "yes"/],
    [[], /^retry must be true, false or an object; got an array/],
    [
      { maxAttempts: 0 },
      /^retry.maxAttempts must be a whole number of attempts from 1 to 100; got 0/,
    ],
    [
      { retryableStatusCodes: ["Unavailable"] },
      /^retry.retryableStatusCodes must be an array of status/,
    ],
    [{ idempotentMethods: ["x"] }, /^retry.idempotentMethods must be an array of methods/],
    [{ maxAttempt: 3 }, /^unknown option "retry.maxAttempt"; did you mean maxAttempts\?/],
  ])("%j is rejected by name", (retry, message) => {
    expect(refusal(retry)).toMatch(message);
  });
});
