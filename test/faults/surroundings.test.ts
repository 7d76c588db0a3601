import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it, vi } from "vitest";
import { close, createManagementClient as createGrpcClient } from "../../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { respondWell } from "./exchange.js";
import { startHttp1Wire } from "./http1-wire.js";
import { startHttp2Wire } from "./http2-wire.js";

const clients = {
  grpc: createGrpcClient,
  "grpc-web": createGrpcWebClient,
  json: createJsonClient,
} as const;
const grant = { userId: "1", grantId: "2" };

afterEach(() => {
  vi.useRealTimers();
});

describe.each(["grpc", "grpc-web", "json"] as const)("over %s", (protocol) => {
  const start = (options: Parameters<typeof startHttp2Wire>[0]) =>
    protocol === "grpc" ? startHttp2Wire(options) : startHttp1Wire(protocol, options);

  it("a server that restarts under load lets calls fail as Unavailable at most", async () => {
    let server = await start({ respond: respondWell });
    const { port } = server;
    const client = clients[protocol]({ baseUrl: `http://127.0.0.1:${port}` });
    const endings = new Map<string, number>();
    const caller = async () => {
      for (let n = 0; n < 40; n++) {
        const ending = await client.deactivateUserGrant(grant, { timeoutMs: 5_000 }).then(
          () => "ok",
          (error: unknown) => Code[ConnectError.from(error).code],
        );
        endings.set(ending, (endings.get(ending) ?? 0) + 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const callers = Promise.all(Array.from({ length: 10 }, caller));
    for (let restarts = 0; restarts < 5; restarts++) {
      await vi.waitUntil(() => server.requests > 20, { interval: 1 });
      await server.close();
      server = await start({ port, respond: respondWell });
    }
    await callers;
    expect([...endings.keys()].filter((ending) => ending !== "ok")).toEqual(
      endings.has("Unavailable") ? ["Unavailable"] : [],
    );
    await client.deactivateUserGrant(grant);
    close(client);
    await server.close();
  });

  it.each([-86_400_000, 86_400_000])(
    "a clock that jumps by %i ms fails no call",
    async (jumpMs) => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const server = await start({
        respond: (exchange) => {
          vi.setSystemTime(Date.now() + jumpMs);
          setTimeout(() => respondWell(exchange), 20);
        },
      });
      const client = clients[protocol]({ baseUrl: `http://127.0.0.1:${server.port}` });
      await client.deactivateUserGrant(grant, { timeoutMs: 5_000 });
      await client.deactivateUserGrant(grant, { timeoutMs: 5_000 });
      close(client);
      await server.close();
    },
  );

  it("a process without file descriptors gets Unavailable, and recovers once there are some", async () => {
    const server = await start({ respond: respondWell });
    const dist = (name: string) => JSON.stringify(new URL(`../../dist/${name}`, import.meta.url));
    const script = `
      import { closeSync, openSync } from "node:fs";
      import { close, createManagementClient } from ${dist(`${protocol}.js`)};
      const call = (client) =>
        client.deactivateUserGrant({ userId: "1", grantId: "2" }, { timeoutMs: 5000 }).then(
          () => "ok",
          (error) => (/EMFILE/.test(error.message) ? "EMFILE as code " + error.code : String(error)),
        );
      // Whatever is loaded with the first call is loaded now.
      const elsewhere = createManagementClient({ baseUrl: "http://127.0.0.1:1" });
      await call(elsewhere);
      const client = createManagementClient({ baseUrl: "http://127.0.0.1:${server.port}" });
      const files = [];
      // Until none is to be had for a while: what the first call used is given back late.
      for (let turns = 0; turns < 200; ) {
        try {
          files.push(openSync("/dev/null"));
          turns = 0;
        } catch {
          turns++;
          await new Promise(setImmediate);
        }
      }
      const without = await call(client);
      for (const file of files) closeSync(file);
      console.log(without + ", then " + (await call(client)));
      close(client);
    `;
    const command = `ulimit -n 100 && exec "${process.execPath}" --input-type=module`;
    const child = spawn("bash", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end(script);
    expect((await text(child.stdout)).trim()).toBe("EMFILE as code 14, then ok");
    await server.close();
  });
});
