import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
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
} from "../../src/grpc-web.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

/** Runs a program against the built package until it ends by itself. */
async function runProgram(code: string): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn("node", ["--input-type=module", "-e", code], {
    cwd: root,
    env: { ...process.env, URL_: sandbox.baseUrl, TOKEN: sandbox.token },
    timeout: 15_000,
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  return { exitCode: child.exitCode, output };
}

describe("a program that has made its calls", () => {
  it.each(["zitadel-user-grants", "zitadel-user-grants/grpc", "zitadel-user-grants/grpc-web"])(
    "with %s exits by itself",
    async (entry) => {
      const grant = sandbox.addGrant();
      const { exitCode, output } = await runProgram(`
        import { createManagementClient } from ${JSON.stringify(entry)};
        const client = createManagementClient({ baseUrl: process.env.URL_, token: process.env.TOKEN });
        await client.deactivateUserGrant(${JSON.stringify(grant)});
        console.log("done");
      `);
      expect({ exitCode, output }).toEqual({ exitCode: 0, output: "done\n" });
      expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    },
  );
});

describe("close", () => {
  it("settles the calls in flight of a client with Canceled", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const bothArrived = new Promise<void>((resolve) => {
      let streams = 0;
      server.on("stream", (stream) => {
        // The client closes the connection in the middle.
        stream.on("error", () => undefined);
        if (++streams === 2) {
          resolve();
        }
      });
    });
    const { port } = server.address() as AddressInfo;
    const client = createManagementClient({ baseUrl: `http://127.0.0.1:${port}` });
    const calls = ["1", "2"].map((grantId) =>
      client.deactivateUserGrant({ userId: "1", grantId }).catch((error: unknown) => error),
    );
    await bothArrived;
    close(client);
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(ConnectError);
      expect((error as ConnectError).code).toBe(Code.Canceled);
    }
  });

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
    const server = createServer((_, response) => {
      response.writeHead(200, {
        "content-type": "application/grpc",
        "grpc-status": "14",
        "grpc-retry-pushback-ms": "50000",
      });
      response.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { promise: failed, resolve } = Promise.withResolvers<void>();
    const client = createManagementClient({
      baseUrl: `http://127.0.0.1:${port}`,
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
