import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import { close, createManagementClient } from "../../src/grpc.js";
import { createSandbox, startSandbox } from "../../src/sandbox/index.js";

describe("closing the sandbox", () => {
  it("ends silent, idle and busy connections, and frees the port", async () => {
    const sandbox = await startSandbox({ requestLatencyMs: 3_600_000 });
    const port = Number(new URL(sandbox.baseUrl).port);
    const silent = connectTcp(port, "127.0.0.1");
    const idle = connectTcp(port, "127.0.0.1");
    idle.write("GET /debug/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await new Promise((resolve) => idle.once("data", resolve));
    const session = connectHttp2(sandbox.baseUrl);
    session.on("error", () => undefined);
    const grant = sandbox.addGrant();
    const stream = session.request({
      ":method": "POST",
      ":path": "/zitadel.management.v1.ManagementService/DeactivateUserGrant",
      "content-type": "application/grpc",
      authorization: `Bearer ${sandbox.token}`,
    });
    stream.on("error", () => undefined);
    const message = Buffer.from(`\x0a\x12${grant.userId}\x12\x12${grant.grantId}`);
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.byteLength]), message]));
    // The server has read the call once it responds to what was sent after it.
    await new Promise((resolve) => session.ping(resolve));

    const ended = [silent, idle, session].map(
      (connection) => new Promise<void>((resolve) => connection.on("close", () => resolve())),
    );
    silent.on("error", () => undefined);
    idle.on("error", () => undefined);
    await sandbox.close();
    await Promise.all(ended);
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");

    const again = await startSandbox({ port });
    expect(new URL(again.baseUrl).port).toBe(String(port));
    await expect(startSandbox({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await again.close();
  });

  it("twice is fine", async () => {
    const sandbox = await startSandbox();
    await Promise.all([sandbox.close(), sandbox.close()]);
    await sandbox.close();
  });

  it("in memory cancels calls under way and later ones", async () => {
    const sandbox = createSandbox({ requestLatencyMs: 3_600_000 });
    const client = createClient(ManagementService, sandbox.transport);
    const grant = sandbox.addGrant();
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => "responded",
        (error: unknown) => ConnectError.from(error).code,
      );
    const underWay = codeOf(client.deactivateUserGrant(grant));
    sandbox.close();
    expect(await underWay).toBe(Code.Canceled);
    expect(await codeOf(client.deactivateUserGrant(grant))).toBe(Code.Canceled);
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
  });
});

describe("a client that disconnects", () => {
  it("has not changed anything when it disconnects before the call is applied", async () => {
    const sandbox = createSandbox({ requestLatencyMs: 3_600_000 });
    const client = createClient(ManagementService, sandbox.transport);
    const grant = sandbox.addGrant();
    const controller = new AbortController();
    const call = client.deactivateUserGrant(grant, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
    sandbox.close();
  });
});

describe("bytes that are not HTTP", () => {
  it.each([
    ["half a preface", "PRI"],
    ["a preface and nonsense", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, and more of it"],
    ["another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a request line that ends nowhere", `GET /${"a".repeat(20_000)}`],
    ["a header that must not be", "GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n"],
  ])("(%s) do not affect other clients", async (_, bytes) => {
    const sandbox = await startSandbox();
    const socket = connectTcp(Number(new URL(sandbox.baseUrl).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.resume();
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.end(bytes, "latin1");
    await closed;
    const response = await fetch(`${sandbox.baseUrl}/debug/healthz`);
    expect(await response.text()).toBe("ok");
    await sandbox.close();
  });
});

describe("localhost", () => {
  it("is the sandbox over IPv4 and over IPv6", async () => {
    const sandbox = await startSandbox();
    const { port } = new URL(sandbox.baseUrl);
    const responses = await Promise.all(
      ["127.0.0.1", "[::1]"].map((host) =>
        fetch(`http://${host}:${port}/debug/healthz`).then((response) => response.text()),
      ),
    );
    expect(responses).toEqual(["ok", "ok"]);
    await sandbox.close();
  });
});

it("a removal in a test with fake timers waits for none of them", async () => {
  const sandbox = await startSandbox();
  const inMemory = createSandbox();
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const client = createManagementClient({ baseUrl: sandbox.baseUrl, token: sandbox.token });
  onTestFinished(() => close(client));
  for (const [{ addGrant }, { bulkRemoveUserGrant }] of [
    [sandbox, client],
    [inMemory, createClient(ManagementService, inMemory.transport)],
  ] as const) {
    await bulkRemoveUserGrant({ grantId: [addGrant().grantId] });
  }
  await sandbox.close();
});
