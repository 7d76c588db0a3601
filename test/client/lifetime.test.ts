import { setImmediate } from "node:timers/promises";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debug } from "../../src/debug.js";
import {
  close,
  createManagementClient,
  createTransport,
  ManagementService,
} from "../../src/grpc.js";
import {
  close as closeWeb,
  createManagementClient as createWebClient,
} from "../../src/grpc-web.node.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { respondHeadersOnly, startGrpcServer } from "../support/grpc-server.js";
import { runProgram } from "../support/programs.js";

let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

describe("a program that has made its calls", () => {
  it.each(["zitadel-user-grants", "zitadel-user-grants/grpc", "zitadel-user-grants/grpc-web"])(
    "with %s exits by itself",
    async (entry) => {
      const grant = sandbox.addGrant();
      const { baseUrl, token } = sandbox;
      const ended = await runProgram(`
        import { createManagementClient } from ${JSON.stringify(entry)};
        const client = createManagementClient(${JSON.stringify({ baseUrl, token })});
        await client.deactivateUserGrant(${JSON.stringify(grant)});
        console.log("done");
      `);
      expect(ended).toEqual({ exitCode: 0, output: "done\n" });
      expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    },
  );
});

describe("close", () => {
  it("settles calls that wait for a token with Canceled, and the source may stop", async () => {
    let signal: AbortSignal | undefined;
    const client = createManagementClient({
      baseUrl: sandbox.baseUrl,
      token: (request) => {
        signal = request?.signal;
        return new Promise(() => undefined);
      },
    });
    const call = client.deactivateUserGrant({ userId: "1", grantId: "2" });
    close(client);
    await expect(call).rejects.toMatchObject({
      code: Code.Canceled,
      rawMessage: "the client was closed; nothing was sent",
    });
    expect(signal?.aborted).toBe(true);
    await expect(client.deactivateUserGrant({ userId: "1", grantId: "2" })).rejects.toMatchObject({
      code: Code.Canceled,
    });
  });

  it("settles calls that wait for their next attempt with Canceled", async () => {
    const server = await startGrpcServer(({ stream }) =>
      respondHeadersOnly(stream, { "grpc-status": "14", "grpc-retry-pushback-ms": "50000" }),
    );
    const { promise: failed, resolve } = Promise.withResolvers<void>();
    const client = createManagementClient({
      baseUrl: server.baseUrl,
      defaultTimeoutMs: 100_000,
      retry: true,
      debug: debug(({ type }) => {
        if (type === "error") {
          resolve();
        }
      }),
    });
    const call = client.deactivateUserGrant({ userId: "1", grantId: "2" });
    call.catch(() => undefined);
    await failed;
    await setImmediate();
    close(client);
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
  });

  it("accepts a transport, and can be called twice", async () => {
    const transport = createTransport({ baseUrl: sandbox.baseUrl, token: sandbox.token });
    await createClient(ManagementService, transport).deactivateUserGrant(sandbox.addGrant());
    close(transport);
    close(transport);
  });

  it("over fetch has nothing to do", async () => {
    const client = createWebClient({ baseUrl: sandbox.baseUrl, token: sandbox.token });
    closeWeb(client);
    await client.deactivateUserGrant(sandbox.addGrant());
  });

  it("rejects objects that this package did not create", () => {
    const client = createClient(ManagementService, {
      unary: undefined,
      stream: undefined,
    } as never);
    expect(() => close(client)).toThrow(TypeError);
  });
});
