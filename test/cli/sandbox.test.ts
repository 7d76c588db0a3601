import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { run } from "./run.js";

/** Starts the command, and returns the settings that it prints and what ends it. */
async function start(...args: string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    text: string;
    interrupt: () => void;
  }>();
  const ended = run(["sandbox", "--port", "0", ...args], {
    onOutput: (text, { interrupt }) => resolve({ text, interrupt }),
  });
  ended.then(({ stderr }) => reject(new Error(stderr)));
  const { text, interrupt } = await promise;
  onTestFinished(async () => {
    interrupt();
    await ended;
  });
  const values: Record<string, string> = Object.fromEntries(
    [...text.matchAll(/^([A-Z_0-9]+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
  );
  const list = async (token = values.ZITADEL_TOKEN) => {
    const response = await fetch(`${values.ZITADEL_URL}/management/v1/users/grants/_search`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: "{}",
    });
    return await response.json();
  };
  return { values, list, interrupt, ended };
}

describe("the sandbox command", () => {
  it("prints settings, serves them, logs requests, and exits when it is interrupted", async () => {
    const { values, list, interrupt, ended } = await start();
    const { details, result } = await list(values.ZITADEL_VIEWER_TOKEN);
    expect(details.totalResult).toBe("3");
    expect(result[0]).toMatchObject({
      id: values.GRANT_ID,
      userId: values.USER_ID,
      email: "ada.hopper@example.com",
      projectName: "Billing",
      roleKeys: ["reader", "writer"],
    });
    const { USER_ID, GRANT_ID, ZITADEL_URL, ZITADEL_VIEWER_TOKEN } = values;
    const url = `${ZITADEL_URL}/management/v1/users/${USER_ID}/grants/${GRANT_ID}/_deactivate`;
    const headers = { authorization: `Bearer ${ZITADEL_VIEWER_TOKEN}` };
    expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(403);
    interrupt();
    const { exitCode, stderr } = await ended;
    expect(exitCode).toBe(0);
    expect(stderr).toBe("ListUserGrants OK\nDeactivateUserGrant PermissionDenied AUTH-5mWD2\n");
    await expect(fetch(url)).rejects.toThrow();
  });

  it("has the same ids and tokens each time", async () => {
    const { ZITADEL_URL: _, ...first } = (await start()).values;
    const { ZITADEL_URL: __, ...second } = (await start()).values;
    expect(second).toEqual(first);
    expect(first.ZITADEL_TOKEN).toBe("sandbox-token");
  });

  it("accepts token, organization, generation and a number of grants", async () => {
    const { values, list } = await start(
      ...["--token", "t", "--org", "o", "--generation", "v2.70", "--grants", "100", "--quiet"],
    );
    expect(values).toMatchObject({ ZITADEL_TOKEN: "t", ZITADEL_ORG_ID: "o" });
    const { result } = await list();
    expect(new Set(result.map(({ email }: { email: string }) => email)).size).toBe(100);
  });

  it("logs nothing with --quiet", async () => {
    const { list, interrupt, ended } = await start("--quiet");
    await list();
    interrupt();
    expect((await ended).stderr).toBe("");
  });

  it("accepts a seed, and adds nothing to its grants", async () => {
    const folder = mkdtempSync(join(tmpdir(), "seed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "seed.json");
    writeFileSync(path, JSON.stringify({ grants: [{ grantId: "g1", userId: "jane" }] }));
    const { result } = await (await start("--seed", path)).list();
    expect(result.map(({ id }: { id: string }) => id)).toEqual(["g1"]);
    writeFileSync(path, JSON.stringify({ grants: [{ state: "gone" }] }));
    const { exitCode, stderr } = await run(["sandbox", "--port", "0", "--seed", path]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("seed.grants[0].state")]);
  });

  it("lets pages of this machine call it, and others on request", async () => {
    const allowed = async (url: string | undefined, origin: string) => {
      const headers = { origin, "access-control-request-method": "POST" };
      const response = await fetch(`${url}/x`, { method: "OPTIONS", headers });
      return response.headers.has("access-control-allow-origin");
    };
    const other = "https://example.com";
    const { values } = await start();
    expect(await allowed(values.ZITADEL_URL, "http://localhost:5173")).toBe(true);
    expect(await allowed(values.ZITADEL_URL, other)).toBe(false);
    const opened = await start("--cors", other);
    expect(await allowed(opened.values.ZITADEL_URL, other)).toBe(true);
  });

  it("reports a port that is in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const { exitCode, stdout, stderr } = await run(["sandbox", "--port", String(port)]);
    expect([exitCode, stdout]).toEqual([4, ""]);
    expect(stderr).toMatch(
      `EADDRINUSE: address already in use 127.0.0.1:${port}. Choose another --port or --host`,
    );
  });

  it.each([
    [["--port", "x"], /^--port takes a whole number from 0/],
    [["--port", "70000"], /^--port takes a whole number from 0 to 65535/],
    [["--token", "a b"], /^--token must/],
    [["--org", "a b"], /^--org must/],
    [["--generation", "v3"], /v4, v2.70/],
    [["--grants", "many"], /--grants takes a whole number/],
    [["--host", "a b"], /^--host must/],
    [["--seed", "none.json"], /--seed: none\.json cannot be read: no such file or directory/],
    [["--nope"], /nope/],
  ])("rejects %j with exit code 1 and the reason", async (args, message) => {
    const { exitCode, stdout, stderr } = await run(["sandbox", ...args]);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
  });
});
