import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { copyExample } from "./copy-example.js";

let sandbox: SandboxServer;
let folder: string;
let service: ChildProcess;
let url: string;

beforeEach(async () => {
  sandbox = await startSandbox();
  folder = await mkdtemp(join(tmpdir(), "node-service-"));
  const keyFile = join(folder, "key.json");
  await writeFile(keyFile, JSON.stringify(sandbox.addKey()));
  service = spawn(process.execPath, [join(await copyExample("node-service"), "service.ts")], {
    env: { ZITADEL_URL: sandbox.baseUrl, ZITADEL_KEY_FILE: keyFile, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(service.stdout!, "data");
  url = `http://127.0.0.1:${/"port":(\d+)/.exec(String(line))?.[1]}`;
});

afterEach(async () => {
  service.kill("SIGKILL");
  await Promise.all([sandbox.close(), rm(folder, { recursive: true })]);
});

function post(body: unknown): Promise<Response> {
  return fetch(url, { method: "POST", body: JSON.stringify(body) });
}

test("the Node service deactivates grants with a key file, across the expiry of a token", async () => {
  for (const round of [1, 2]) {
    const grant = sandbox.addGrant();
    const response = await post(grant);
    expect([round, response.status]).toEqual([round, 200]);
    expect(await response.json()).toEqual({ grantId: grant.grantId, state: "inactive" });
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    sandbox.expireTokens();
  }
});

test("the Node service reports why a grant was not deactivated", async () => {
  const response = await post({ userId: "1", grantId: "999999999999999999" });
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({
    id: "COMMAND-3M9sd",
    message: "User grant not found",
  });
});

test("the Node service exits on request, connections included", async () => {
  await (await post(sandbox.addGrant())).text();
  service.kill("SIGTERM");
  expect(await once(service, "exit")).toEqual([0, null]);
});
