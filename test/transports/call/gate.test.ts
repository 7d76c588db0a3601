import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { type SendGate, sendGate } from "../../../src/common/hooks.js";
import { startSandbox } from "../../../src/sandbox/index.js";
import { createClient, failureOf, protocols } from "../../support/protocols.js";

describe.each(protocols)("the gate of a call over %s", (protocol) => {
  async function start(gate: SendGate) {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const tokens = ["stale", sandbox.token];
    const client = createClient(protocol, {
      baseUrl: sandbox.baseUrl,
      token: () => tokens.shift() ?? sandbox.token,
      retry: { initialBackoffMs: 1 },
    });
    return { sandbox, client, contextValues: createContextValues().set(sendGate, gate) };
  }

  test("is passed by each request, retries and the one with another token too", async () => {
    const waits: number[] = [];
    const { sandbox, client, contextValues } = await start(() => {
      waits.push(waits.length);
      return waits.length === 1 ? undefined : new Promise((resolve) => setImmediate(resolve));
    });
    await client.deactivateUserGrant(sandbox.addGrant(), { contextValues });
    expect(waits).toEqual([0, 1]);
    sandbox.failNext({ code: Code.Unavailable });
    await client.deactivateUserGrant(sandbox.addGrant(), { contextValues });
    expect(waits).toEqual([0, 1, 2, 3]);
  });

  test("does not keep a call that ends before it may be sent", async () => {
    const { client, contextValues } = await start(() => new Promise(() => undefined));
    const error = await failureOf(
      client.bulkRemoveUserGrant({ grantId: ["1"] }, { contextValues, timeoutMs: 50 }),
    );
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect(String(error)).toContain("nothing was sent");
  });

  test("fails a call that may not be sent at all", async () => {
    const { client, contextValues } = await start(() => Promise.reject(new ConnectError("enough")));
    const error = await failureOf(
      client.bulkRemoveUserGrant({ grantId: ["1"] }, { contextValues }),
    );
    expect(String(error)).toMatch(/enough.*nothing was sent/);
  });
});

test("two copies of the package share the gate", () => {
  expect(sendGate.id).toBe(Symbol.for("zitadel-user-grants.send-gate"));
});
