import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import { describeError, type ManagementClient } from "../../src/index.js";
import * as json from "../../src/json.js";
import {
  createSandbox,
  type SandboxControl,
  type SandboxOptions,
  type SandboxRequest,
  startSandbox,
} from "../../src/sandbox/index.js";

interface Opened {
  sandbox: SandboxControl;
  client: ManagementClient;
}

async function overSockets(protocol: typeof grpc, options: SandboxOptions): Promise<Opened> {
  const sandbox = await startSandbox(options);
  const { baseUrl, token } = sandbox;
  const client = protocol.createManagementClient({ baseUrl, token, retry: false });
  onTestFinished(() => {
    protocol.close(client);
    return sandbox.close();
  });
  return { sandbox, client };
}

const ways: Record<string, (options?: SandboxOptions) => Promise<Opened>> = {
  memory: async (options) => {
    const sandbox = createSandbox(options);
    return { sandbox, client: createClient(ManagementService, sandbox.transport) };
  },
  gRPC: (options = {}) => overSockets(grpc, options),
  "gRPC-web": (options = {}) => overSockets(grpcWeb as unknown as typeof grpc, options),
  JSON: (options = {}) => overSockets(json as unknown as typeof grpc, options),
};

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => expect.fail("the call succeeded"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

describe.each(Object.entries(ways))("failNext, over %s,", (_, open) => {
  it("fails the next call with a code and an id, and does nothing", async () => {
    const { sandbox, client } = await open();
    const grant = sandbox.addGrant();
    sandbox.failNext({ code: Code.PermissionDenied, id: "EVENT-Shu7e", message: "no" });
    const error = await failureOf(client.deactivateUserGrant(grant));
    expect(describeError(error)).toMatchObject({
      code: Code.PermissionDenied,
      id: "EVENT-Shu7e",
      message: expect.stringContaining("no"),
    });
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
    await client.deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });

  it("fails the given number of calls, of the given RPC", async () => {
    const { sandbox, client } = await open();
    const grant = sandbox.addGrant();
    sandbox.failNext({ code: Code.Unavailable, times: 2, rpc: "BulkRemoveUserGrant" });
    await client.deactivateUserGrant(grant);
    const remove = () => client.bulkRemoveUserGrant({ grantId: [grant.grantId] });
    expect((await failureOf(remove())).code).toBe(Code.Unavailable);
    expect((await failureOf(remove())).code).toBe(Code.Unavailable);
    await remove();
    expect(sandbox.grant(grant.grantId)).toBeUndefined();
  });

  it("loses the response of a call that is applied", async () => {
    const { sandbox, client } = await open();
    const { grantId } = sandbox.addGrant();
    sandbox.failNext({ lost: true });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: [grantId] }));
    expect(error.code).toBe(Code.Unavailable);
    expect(sandbox.grant(grantId)).toBeUndefined();
    // The next call has a new connection.
    await client.deactivateUserGrant(sandbox.addGrant());
  });

  it("delays a call, which its deadline can settle", async () => {
    const { sandbox, client } = await open();
    sandbox.failNext({ delayMs: 3_600_000 });
    const grant = sandbox.addGrant();
    const error = await failureOf(client.deactivateUserGrant(grant, { timeoutMs: 20 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
  });

  it("requestsPerSecond rejects excess requests with HTTP 429", async () => {
    let now = 1_000_000;
    const { sandbox, client } = await open({ requestsPerSecond: 2, now: () => now });
    const call = () => client.deactivateUserGrant(sandbox.addGrant());
    await call();
    await call();
    expect([Code.Unavailable, Code.ResourceExhausted]).toContain((await failureOf(call())).code);
    now += 500;
    await call();
    await failureOf(call());
  });

  it("onRequest receives the method, the outcome and the id", async () => {
    const seen: SandboxRequest[] = [];
    const { sandbox, client } = await open({ onRequest: (request) => seen.push(request) });
    await client.deactivateUserGrant(sandbox.addGrant());
    await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(seen).toEqual([
      { method: "DeactivateUserGrant", outcome: "OK", id: undefined },
      { method: "BulkRemoveUserGrant", outcome: "NotFound", id: "COMMAND-1My0t" },
    ]);
  });
});

describe("failNext", () => {
  it.each([
    [{}, "at least one of code, delayMs and lost"],
    [{ code: 0 }, "code must be a Code of Connect; got 0"],
    [{ code: Code.Internal, lost: true }, "code or lost"],
    [{ lost: true, id: "X" }, "only with code"],
    [{ lost: true, times: 0 }, "times must be"],
    [{ lost: true, rpc: "RemoveUserGrant" }, '"BulkRemoveUserGrant"'],
    [{ lots: true }, "did you mean lost?"],
    [undefined, "failNext: options must be an object; got undefined"],
  ])("rejects %j", (fault, message) => {
    expect(() => createSandbox().failNext(fault as never)).toThrow(message);
  });
});
