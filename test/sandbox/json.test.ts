import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import * as grpc from "../../src/grpc.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

async function send(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown; location: string | null }> {
  const response = await fetch(`${sandbox.baseUrl}/management/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${sandbox.token}`, ...headers },
    body: body ?? null,
    redirect: "manual",
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? undefined : JSON.parse(text),
    location: response.headers.get("location"),
  };
}

const bulk = "/user_grants/_bulk";

describe("the JSON routes of the sandbox", () => {
  it("take both names of a field, and unknown fields", async () => {
    for (const body of [
      (id: string) => `{"grantId":["${id}"]}`,
      (id: string) => `{"grant_id":["${id}"],"more":{"a":null}}`,
    ]) {
      const { grantId } = sandbox.addGrant();
      expect(await send("DELETE", bulk, body(grantId))).toMatchObject({ status: 200, body: {} });
      expect(sandbox.grant(grantId)).toBeUndefined();
    }
  });

  it("let the path win over the body", async () => {
    const { userId, grantId } = sandbox.addGrant();
    const other = sandbox.addGrant();
    const path = `/users/${userId}/grants/${grantId}/_deactivate`;
    expect((await send("POST", path, JSON.stringify(other))).status).toBe(200);
    expect(sandbox.grant(grantId)?.state).toBe("inactive");
    expect(sandbox.grant(other.grantId)?.state).toBe("active");
  });

  it("take any content type, and no body at all for an empty message", async () => {
    const { userId, grantId } = sandbox.addGrant();
    const path = `/users/${userId}/grants/${grantId}/_deactivate`;
    expect((await send("POST", path, "{}", { "content-type": "text/plain" })).status).toBe(200);
    expect((await send("POST", path)).status).toBe(200);
  });

  it.each([
    ["/users//grants/1/_deactivate", "/users/grants/1/_deactivate"],
    [
      "/users/1/grants/a%2F%2Fb%20c!/_deactivate?d=%20",
      "/users/1/grants/a/b%20c!/_deactivate?d=%20",
    ],
    ["/users/1/grants/.%2F/_deactivate", "/users/1/grants/_deactivate"],
  ])("redirect %s, which has empty or dot segments when decoded", async (path, location) => {
    expect(await send("POST", path, "{}")).toMatchObject({
      status: 301,
      location: `/management/v1${location}`,
    });
  });

  it.each(["", "x/users"])("reject a path that goes on with %j", async (rest) => {
    expect(await send("GET", rest)).toMatchObject({
      status: 400,
      body: { code: 3, message: "Bad Request" },
    });
  });

  it("are not reached by a path that no HTTP server can parse", async () => {
    const url = `${sandbox.baseUrl}/management/v1/users/1/grants/%zz/_deactivate`;
    const response = await fetch(url, { method: "POST", body: "{}" });
    expect(response.status).toBe(400);
  });

  it("distinguish another verb from another path", async () => {
    expect(await send("POST", bulk, "{}")).toMatchObject({
      status: 405,
      body: { code: 12, message: "Method Not Allowed" },
    });
    expect(await send("DELETE", `${bulk}/`, "{}")).toMatchObject({
      status: 404,
      body: { code: 5, message: "Not Found" },
    });
  });

  it("take an OPTIONS request for a preflight only if it names a method", async () => {
    const statusOf = async (method: string) => {
      const url = `${sandbox.baseUrl}/management/v1${bulk}`;
      const headers = { origin: "https://app.example", "access-control-request-method": method };
      return (await fetch(url, { method: "OPTIONS", headers })).status;
    };
    expect([await statusOf("DELETE"), await statusOf("")]).toEqual([204, 405]);
  });

  it("enforce the deadline of grpc-timeout, and reject a malformed one", async () => {
    const call = (timeout: string) =>
      send("DELETE", bulk, '{"grantId":["1"]}', { "grpc-timeout": timeout });
    expect(await call("1n")).toMatchObject({ status: 504, body: { code: 4 } });
    expect(await call("1H")).toMatchObject({ status: 404 });
    expect(await call("soon")).toMatchObject({
      status: 400,
      body: { code: 3 },
    });
  });

  it("reject a message over 4 MiB as the gRPC server behind them does", async () => {
    const ids = Array.from({ length: 230_000 }, () => "4".repeat(18));
    expect(await send("DELETE", bulk, JSON.stringify({ grantId: ids }))).toMatchObject({
      status: 429,
      body: { code: 8 },
    });
  });

  it.each([
    "null",
    "[]",
    '"text"',
    "{",
    '{"grantId":"1"}',
    '{"grantId":[null]}',
    '{"grantId":[1]}',
  ])("reject the body %s", async (body) => {
    expect(await send("DELETE", bulk, body)).toMatchObject({ status: 400, body: { code: 3 } });
  });

  // The gateway passes the path on in a header, which takes nothing else.
  it.each(["grün", "許可", "a\u0007b"])(
    "reject the user %j before anything is done, which gRPC takes",
    async (userId) => {
      const { grantId } = sandbox.addGrant({ userId });
      const path = `/users/${encodeURIComponent(userId)}/grants/${grantId}/_deactivate`;
      expect(await send("POST", path, "{}")).toMatchObject({ status: 500, body: { code: 13 } });
      expect(sandbox.grant(grantId)?.state).toBe("active");
      const client = grpc.createManagementClient({
        baseUrl: sandbox.baseUrl,
        token: sandbox.token,
      });
      onTestFinished(() => grpc.close(client));
      await client.deactivateUserGrant({ userId, grantId });
      expect(sandbox.grant(grantId)?.state).toBe("inactive");
    },
  );
});
