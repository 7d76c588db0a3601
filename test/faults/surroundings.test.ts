import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { createClient, protocols, startWire } from "../support/protocols.js";
import { respondWell } from "./exchange.js";

const grant = { userId: "1", grantId: "2" };

describe.each(protocols)("over %s", (protocol) => {
  it("a server that restarts under load lets calls fail as Unavailable at most", async () => {
    let server = await startWire(protocol, respondWell);
    const { port, baseUrl } = server;
    const client = createClient(protocol, { baseUrl });
    const endings = new Map<string, number>();
    let isOver = false;
    const caller = async () => {
      while (!isOver) {
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
      await vi.waitUntil(() => server.requests > 20, { interval: 1, timeout: 15_000 });
      await server.close();
      server = await startWire(protocol, respondWell, { port });
    }
    isOver = true;
    await callers;
    expect([...endings.keys()].filter((ending) => ending !== "ok")).toEqual(
      endings.has("Unavailable") ? ["Unavailable"] : [],
    );
    await client.deactivateUserGrant(grant);
  });

  it.each([-86_400_000, 86_400_000])(
    "a clock that jumps by %i ms fails no call",
    async (jumpMs) => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const { baseUrl } = await startWire(protocol, (exchange) => {
        vi.setSystemTime(Date.now() + jumpMs);
        setTimeout(() => respondWell(exchange), 20);
      });
      const client = createClient(protocol, { baseUrl });
      await client.deactivateUserGrant(grant, { timeoutMs: 5_000 });
      await client.deactivateUserGrant(grant, { timeoutMs: 5_000 });
    },
  );

  it("a process without file descriptors gets Unavailable, and recovers once there are some", async () => {
    const server = await startWire(protocol, respondWell);
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
      const client = createManagementClient({ baseUrl: "${server.baseUrl}" });
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
  });
});
