import type { IncomingMessage } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { mayHaveBeenApplied } from "../../src/errors/certainty.js";
import { createManagementClient, type TokenRequest } from "../../src/grpc-web.node.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { okResponse, respond, startHttpServer } from "../support/http-server.js";
import { failureOf } from "../support/protocols.js";

const call = { grantId: ["1"] };

/** A server that rejects every token but the valid one. */
async function startGate(good?: string) {
  return await startHttpServer((request, response) => {
    if (good === undefined || request.headers.authorization === `Bearer ${good}`) {
      respond(response, okResponse);
    } else {
      respond(response, "", { "grpc-status": "16", "grpc-message": "Errors.Token.Invalid" });
    }
  });
}

const sent = (requests: IncomingMessage[], name: string) => requests.map((r) => r.headers[name]);

describe("the metadata of a call", () => {
  it("contains token, organization and instance host", async () => {
    const server = await startGate();
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: "t-1",
      orgId: "42",
      instanceHost: "example.zitadel.cloud",
    });
    await client.bulkRemoveUserGrant(call);
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: "Bearer t-1",
      "x-zitadel-orgid": "42",
      "x-zitadel-instance-host": "example.zitadel.cloud",
    });
  });

  it("lacks options that were not given", async () => {
    const server = await startGate();
    await createManagementClient({ baseUrl: server.baseUrl }).bulkRemoveUserGrant(call);
    const { headers } = server.requests[0] as IncomingMessage;
    expect(Object.keys(headers)).not.toContain("authorization");
    expect(Object.keys(headers)).not.toContain("x-zitadel-orgid");
  });

  it("of the call itself wins, and an empty value drops the client's", async () => {
    const server = await startGate();
    const client = createManagementClient({ baseUrl: server.baseUrl, token: "t-1", orgId: "42" });
    await client.bulkRemoveUserGrant(call, { headers: { "x-zitadel-orgid": "43" } });
    await client.bulkRemoveUserGrant(call, { headers: { "X-Zitadel-OrgID": "" } });
    await client.bulkRemoveUserGrant(call, { headers: { Authorization: "Bearer own" } });
    await client.bulkRemoveUserGrant(call, { headers: { authorization: "" } });
    expect(sent(server.requests, "x-zitadel-orgid")).toEqual(["43", undefined, "42", "42"]);
    expect(sent(server.requests, "authorization")).toEqual([
      "Bearer t-1",
      "Bearer t-1",
      "Bearer own",
      undefined,
    ]);
  });

  it("shows no token to the caller's interceptors, neither before nor after the call", async () => {
    const server = await startGate();
    const seen: string[] = [];
    const spy: Interceptor = (next) => async (request) => {
      seen.push(...request.header.keys());
      const response = await next(request);
      seen.push(...request.header.keys(), ...response.header.keys());
      return response;
    };
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: "t-1",
      interceptors: [spy],
    });
    await client.bulkRemoveUserGrant(call);
    expect(sent(server.requests, "authorization")).toEqual(["Bearer t-1"]);
    expect(seen).toContain("content-type");
    expect(seen).not.toContain("authorization");
  });
});

describe("a token source", () => {
  it("is called before each call", async () => {
    const server = await startGate();
    let count = 0;
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: () => `t-${++count}`,
    });
    await client.bulkRemoveUserGrant(call);
    await client.bulkRemoveUserGrant(call);
    expect(sent(server.requests, "authorization")).toEqual(["Bearer t-1", "Bearer t-2"]);
  });

  it("is called again with the rejected token, and the call is retried once, seen once", async () => {
    const server = await startGate("good");
    const asked: (string | undefined)[] = [];
    let seen = 0;
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: async (request?: TokenRequest) => {
        asked.push(request?.refused);
        return request?.refused === undefined ? "old" : "good";
      },
      interceptors: [
        (next) => (request) => {
          seen++;
          return next(request);
        },
      ],
    });
    await client.bulkRemoveUserGrant(call);
    expect(asked).toEqual([undefined, "old"]);
    expect(sent(server.requests, "authorization")).toEqual(["Bearer old", "Bearer good"]);
    expect(seen).toBe(1);
  });

  it("that returns the rejected token again fails the call with the server's error", async () => {
    const server = await startGate("good");
    const client = createManagementClient({ baseUrl: server.baseUrl, token: () => "old" });
    await expect(client.bulkRemoveUserGrant(call)).rejects.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "Errors.Token.Invalid",
    });
    expect(server.requests).toHaveLength(1);
  });

  it("is never called a third time", async () => {
    const server = await startGate("good");
    let count = 0;
    const client = createManagementClient({ baseUrl: server.baseUrl, token: () => `t${++count}` });
    await expect(client.bulkRemoveUserGrant(call)).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    expect(count).toBe(2);
    expect(server.requests).toHaveLength(2);
  });

  it("is not called when the call has its own authorization", async () => {
    const server = await startGate("good");
    let count = 0;
    const client = createManagementClient({ baseUrl: server.baseUrl, token: () => `t${++count}` });
    const own = client.bulkRemoveUserGrant(call, { headers: { authorization: "Bearer own" } });
    await expect(own).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(count).toBe(0);
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ["a ConnectError", new ConnectError("down", Code.Unavailable), Code.Unavailable, /^down$/],
    ["another error", new Error("no key"), Code.Unauthenticated, /token source failed: no key/],
  ])(
    "that throws %s fails the call with it, and nothing is sent",
    async (_, error, code, message) => {
      const server = await startGate();
      const client = createManagementClient({
        baseUrl: server.baseUrl,
        token: () => Promise.reject(error),
      });
      await expect(client.bulkRemoveUserGrant(call)).rejects.toMatchObject({
        code,
        rawMessage: expect.stringMatching(message),
      });
      expect(server.requests).toHaveLength(0);
    },
  );

  it.each(["", "secret\r\nx-evil: 1", "Bearer secret", undefined, 7])(
    "that returns %j fails the call with Unauthenticated without showing it",
    async (token) => {
      const server = await startGate();
      const client = createManagementClient({
        baseUrl: server.baseUrl,
        token: () => token as string,
      });
      const error = await failureOf(client.bulkRemoveUserGrant(call));
      expect(error).toMatchObject({ code: Code.Unauthenticated });
      expect(error.message).toMatch(/token source must return/);
      expect(error.message).not.toMatch(/secret/);
      expect(server.requests).toHaveLength(0);
    },
  );

  it("that never responds is aborted at the call's deadline, also where it passes on a copy of its request", async () => {
    const server = await startGate();
    let copy: TokenRequest | undefined;
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: (request) => {
        copy = { ...request };
        return new Promise(() => undefined);
      },
    });
    await expect(client.bulkRemoveUserGrant(call, { timeoutMs: 20 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage:
        "no response within 20 ms (the token source has not returned a token: see what it waits for); nothing was sent",
    });
    expect(copy?.signal?.aborted).toBe(true);
  });

  it("leaves nothing of calls that ended while they waited for one promise", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const never = new Promise<string>(() => undefined);
    const ended: WeakRef<object>[] = [];
    const client = createManagementClient({
      baseUrl: "http://127.0.0.1:9",
      token: (request) => {
        ended.push(new WeakRef(request?.signal as object));
        return never;
      },
    });
    await Promise.all(
      Array.from({ length: 50 }, () =>
        client.bulkRemoveUserGrant(call, { timeoutMs: 1 }).catch(() => undefined),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve));
    gc();
    // The last few may still be on the stack.
    expect(ended.filter((one) => one.deref() !== undefined).length).toBeLessThan(25);
    expect(await Promise.race([never, "pending"])).toBe("pending");
  });

  it("that never responds is named when the caller aborts", async () => {
    const server = await startGate();
    const controller = new AbortController();
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      token: () => {
        queueMicrotask(() => controller.abort("enough"));
        return new Promise(() => undefined);
      },
    });
    const { signal } = controller;
    await expect(client.bulkRemoveUserGrant(call, { signal })).rejects.toMatchObject({
      code: Code.Canceled,
      cause: "enough",
      rawMessage:
        "the caller aborted the call (the token source has not returned a token: see what it waits for); nothing was sent",
    });
  });

  it("that never returns another token fails at the deadline, and nothing is in doubt", async () => {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const client = createManagementClient({
      baseUrl: sandbox.baseUrl,
      token: (request) =>
        request?.refused === undefined ? "rejected" : new Promise<string>(() => undefined),
    });
    const error = await failureOf(client.bulkRemoveUserGrant(call, { timeoutMs: 500 }));
    expect(error).toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage: expect.stringContaining(
        "(the server rejected the token, and the token source has not returned another one: see what it waits for); the call was not carried out",
      ),
    });
    expect(mayHaveBeenApplied(error)).toBe(false);
  });
});
