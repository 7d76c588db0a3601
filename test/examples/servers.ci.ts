import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { useProject } from "../support/project.js";
import { startProgram } from "./program.js";

let sandbox: SandboxServer;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox?.close());

const example = (name: string) => useProject(new URL(`../../examples/${name}/`, import.meta.url));

function environment(): Record<string, string> {
  return {
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
}

describe("NestJS", () => {
  const project = example("nestjs");

  it("revokes a grant by a route, in a CommonJS project, and shuts down", async () => {
    await project().run("npm", ["run", "build"]);
    const server = startProgram(project(), ["dist/main.js"], { ...environment(), PORT: "0" });
    const [, url] = await server.said(/^Listening at (.+)$/);
    const { grantId } = sandbox.addGrant();
    const revoke = async (id: string) => {
      const response = await fetch(`${url}/grants/${id}`, { method: "DELETE" });
      await response.text();
      return response.status;
    };
    expect(await revoke(grantId)).toBe(204);
    expect(sandbox.grant(grantId)).toBeUndefined();
    expect(await revoke(grantId)).toBe(404);
    await server.kill("SIGTERM");
  });
});

describe("the off-boarding webhook", () => {
  const project = example("express-offboarding");

  it("compiles", () => project().run("npm", ["run", "check"]));

  it("removes all grants of a person who left, and only those", async () => {
    const keyFile = join(project().folder, "key.json");
    await writeFile(keyFile, JSON.stringify(sandbox.addKey()));
    const secret = "a secret of both sides";
    const server = startProgram(project(), ["server.ts"], {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_KEY_FILE: keyFile,
      ZITADEL_ORG_ID: sandbox.orgId,
      WEBHOOK_SECRET: secret,
      PORT: "0",
    });
    onTestFinished(async () => void (await server.kill("SIGKILL")));
    const [, port] = await server.said(/^Listening on port (\d+)$/);
    const post = async (event: unknown, signedWith = secret) => {
      const body = JSON.stringify(event);
      const response = await fetch(`http://127.0.0.1:${port}/hr-events`, {
        method: "POST",
        body,
        headers: {
          "x-signature-sha256": createHmac("sha256", signedWith).update(body).digest("hex"),
        },
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    };
    const stays = sandbox.addGrant();
    const { userId } = sandbox.addUser();
    const grants = Array.from({ length: 5 }, () => sandbox.addGrant({ userId }).grantId);
    const left = { type: "person.left", userId };

    expect((await post(left, "another secret")).status).toBe(401);
    expect((await post({ type: "person.left", userId: 7 })).status).toBe(400);
    expect((await post({ ...left, type: "person.moved" })).status).toBe(204);
    expect(grants.map((id) => sandbox.grant(id)?.state)).toEqual(grants.map(() => "active"));

    expect(await post(left)).toMatchObject({
      status: 200,
      body: { userId, counts: { removed: 5 } },
    });
    expect(grants.map((id) => sandbox.grant(id))).toEqual(grants.map(() => undefined));
    expect(sandbox.grant(stays.grantId)?.state).toBe("active");
    // Delivered again: nothing is left to remove.
    expect((await post(left)).status).toBe(200);
  });
});

describe("the Node service", () => {
  const project = example("node-service");

  it("compiles", () => project().run("npm", ["run", "check"]));

  it("deactivates grants with a key file, across the expiry of a token, and exits on request", async () => {
    const keyFile = join(project().folder, "key.json");
    await writeFile(keyFile, JSON.stringify(sandbox.addKey()));
    const server = startProgram(project(), ["service.ts"], {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_KEY_FILE: keyFile,
      PORT: "0",
    });
    onTestFinished(async () => void (await server.kill("SIGKILL")));
    const [, port] = await server.said(/"port":(\d+)/);
    const post = async (grant: object) => {
      const init = { method: "POST", body: JSON.stringify(grant) };
      return (await fetch(`http://127.0.0.1:${port}`, init)).json();
    };
    for (let round = 0; round < 2; round++) {
      const grant = sandbox.addGrant();
      expect(await post(grant)).toEqual({ grantId: grant.grantId, state: "inactive" });
      sandbox.expireTokens();
    }
    expect(await post({ userId: "1", grantId: "9" })).toMatchObject({ id: "COMMAND-3M9sd" });
    expect(await server.kill("SIGTERM")).toBe(0);
  });
});

describe("the scheduled job", () => {
  const project = example("scheduled-job");

  it("compiles", () => project().run("npm", ["run", "check"]));

  it("lists what it would remove, and removes it when told to", async () => {
    const active = sandbox.addGrant();
    const inactive = sandbox.addGrant({ state: "inactive" });
    const env = { ...environment(), DAYS: "0" };
    const line = `${JSON.stringify({ grantId: inactive.grantId })}\n`;
    expect(await project().run("node", ["remove-inactive.ts"], { env })).toBe(line);
    expect(sandbox.grant(inactive.grantId)?.state).toBe("inactive");
    expect(
      await project().run("node", ["remove-inactive.ts", "--yes"], {
        env: { ...environment(), DAYS: "90" },
      }),
    ).toBe("");
    const removed = { grantId: inactive.grantId, status: "removed" };
    expect(
      JSON.parse(await project().run("node", ["remove-inactive.ts", "--yes"], { env })),
    ).toEqual(removed);
    expect(sandbox.grant(inactive.grantId)).toBeUndefined();
    expect(sandbox.grant(active.grantId)?.state).toBe("active");
  });
});
