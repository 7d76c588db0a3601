import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { type SendGate, sendGate } from "../../../src/common/hooks.js";
import * as grpc from "../../../src/grpc.js";
import * as grpcWeb from "../../../src/grpc-web.js";
import * as json from "../../../src/json.js";
import { startSandbox } from "../../../src/sandbox/index.js";

const entries = { grpc, "grpc-web": grpcWeb, json } as const;

describe.each(["grpc", "grpc-web", "json"] as const)("the gate of a call over %s", (protocol) => {
  const { createManagementClient, close } = entries[protocol];

  async function start(gate: SendGate) {
    const sandbox = await startSandbox();
    const tokens = ["stale", sandbox.token];
    const client = createManagementClient({
      baseUrl: sandbox.baseUrl,
      token: () => tokens.shift() ?? sandbox.token,
      retry: { initialBackoffMs: 1 },
    });
    onTestFinished(async () => {
      close(client);
      await sandbox.close();
    });
    return { sandbox, client, contextValues: createContextValues().set(sendGate, gate) };
  }

  test("is passed by each request, retries and the one with another token too", async () => {
    const waits: number[] = [];
    const { sandbox, client, contextValues } = await start(() => {
      waits.push(waits.length);
      return waits.length === 1
        ? undefined
        : { ready: new Promise((resolve) => setImmediate(resolve)), cancel: () => waits.push(-1) };
    });
    await client.deactivateUserGrant(sandbox.addGrant(), { contextValues });
    expect(waits).toEqual([0, 1]);
    sandbox.failNext({ code: Code.Unavailable });
    await client.deactivateUserGrant(sandbox.addGrant(), { contextValues });
    expect(waits).toEqual([0, 1, 2, 3]);
  });

  test("is left by a call that ends before it may be sent", async () => {
    let left = 0;
    const { client, contextValues } = await start(() => ({
      ready: new Promise(() => undefined),
      cancel: () => {
        left += 1;
      },
    }));
    const error = await client
      .bulkRemoveUserGrant({ grantId: ["1"] }, { contextValues, timeoutMs: 50 })
      .catch(ConnectError.from);
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect(String(error)).toContain("nothing was sent");
    expect(left).toBe(1);
  });
});

test("two copies of the package share the gate", () => {
  expect(sendGate.id).toBe(Symbol.for("zitadel-user-grants.send-gate"));
});
