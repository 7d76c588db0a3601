import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { parseGoJson } from "../../src/sandbox/protocols/go-json.js";

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
  it("take both names of a field, unknown fields, and what follows the first value", async () => {
    for (const body of [
      (id: string) => `{"grantId":["${id}"]}`,
      (id: string) => `{"grant_id":["${id}"],"more":{"a":null}}`,
      (id: string) => ` {"grantId":["${id}"]} {"grantId":["nope"]}`,
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

  it("redirect a path with empty segments", async () => {
    expect(await send("POST", "/users//grants/1/_deactivate", "{}")).toMatchObject({
      status: 301,
      location: "/management/v1/users/grants/1/_deactivate",
    });
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

  it("enforce the deadline of grpc-timeout, and reject a malformed one", async () => {
    const call = (timeout: string) =>
      send("DELETE", bulk, '{"grantId":["1"]}', { "grpc-timeout": timeout });
    expect(await call("1n")).toMatchObject({ status: 504, body: { code: 4 } });
    expect(await call("1H")).toMatchObject({ status: 404 });
    expect(await call("soon")).toMatchObject({
      status: 400,
      body: { code: 3, message: "invalid grpc-timeout: soon" },
    });
  });

  it("reject a message over 4 MiB as the gRPC server behind them does", async () => {
    const ids = Array.from({ length: 230_000 }, () => "4".repeat(18));
    expect(await send("DELETE", bulk, JSON.stringify({ grantId: ids }))).toMatchObject({
      status: 429,
      body: {
        code: 8,
        message: "grpc: received message larger than max (4600000 vs. 4194304)",
      },
    });
  });

  it("reject values of another type", async () => {
    for (const body of ['{"grantId":"1"}', '{"grantId":[1]}', "[]", "null", '"text"']) {
      expect(await send("DELETE", bulk, body)).toMatchObject({ status: 400, body: { code: 3 } });
    }
  });
});

describe("JSON as Go's decoder reads it", () => {
  it.each([
    ["", undefined],
    [" \n", undefined],
    ["{}", {}],
    ["{} x", {}],
    ['{"a":1}{"b":2}', { a: 1 }],
  ])("%j", (text, expected) => {
    expect(parseGoJson(text)).toEqual(expected);
  });

  it.each([
    ["{", "unexpected EOF"],
    ['{"a', "unexpected EOF"],
    ['{"a":', "unexpected EOF"],
    ['{"a":[1,', "unexpected EOF"],
    ["x", "invalid character 'x' looking for beginning of value"],
    ['{"a":x}', "invalid character 'x' looking for beginning of value"],
    ["{a", "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 2}', "invalid character '2' after object key:value pair"],
    ["[1 2]", "invalid character '2' after array element"],
  ])("%j is rejected: %s", (text, message) => {
    expect(() => parseGoJson(text)).toThrow(message);
  });
});
