import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { type JsonNode, parseGoJson } from "../../src/sandbox/protocols/go-json.js";

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

  it.each([
    ["/users//grants/1/_deactivate", "/users/grants/1/_deactivate"],
    [
      "/users/1/grants/a%2F%2Fb%20c!/_deactivate?d=%20",
      "/users/1/grants/a/b%20c%21/_deactivate?d=%20",
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
    expect([response.status, await response.text()]).toEqual([400, "400 Bad Request"]);
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

  // From protojson of google.golang.org/protobuf 1.36.
  it.each([
    ["null", "syntax error (line 1:1): unexpected token null"],
    ["[]", "syntax error (line 1:1): unexpected token ["],
    ['"text"', 'syntax error (line 1:1): unexpected token "text"'],
    [" \n true", "syntax error (line 1:1): unexpected token true"],
    ['{"grantId":"1"}', 'syntax error (line 1:12): unexpected token "1"'],
    ['{"ä":1, "grantId":5}', "syntax error (line 1:19): unexpected token 5"],
    ['{"grantId":[1]}', "(line 1:13): invalid value for string field grantId: 1"],
    ['{"grant_id":["a",\n null]}', "(line 2:2): invalid value for string field grantId: null"],
    ['{"grantId":[{"a":1}]}', "(line 1:13): invalid value for string field grantId: {"],
    ['{"grantId":["1"],"grant_id":["2"]}', '(line 1:18): duplicate field "grant_id"'],
    ['{"grantId":null,"grantId":["2"]}', '(line 1:17): duplicate field "grantId"'],
  ])("reject %j as protojson does", async (body, message) => {
    const v270 = await startSandbox({ generation: "v2.70" });
    onTestFinished(() => v270.close());
    const invalid = { code: 3, message: `proto:\u00a0${message}` };
    expect(await send("DELETE", bulk, body)).toMatchObject({ status: 400, body: invalid });
    const response = await fetch(`${v270.baseUrl}/management/v1${bulk}`, {
      method: "DELETE",
      body,
    });
    expect(await response.json()).toEqual({ code: 3, message: `proto: ${message}` });
  });
});

function plain(node: JsonNode | undefined): unknown {
  switch (node?.kind) {
    case undefined:
      return undefined;
    case "object":
      return Object.fromEntries(node.members.map(({ name, node: value }) => [name, plain(value)]));
    case "array":
      return node.items.map(plain);
    case "scalar":
      return node.value;
  }
}

describe("JSON as Go's decoder reads it", () => {
  it.each([
    ["", undefined],
    [" \n", undefined],
    ["{}", {}],
    ["{} x", {}],
    ['{"a":1}{"b":2}', { a: 1 }],
    ["01", 0],
    [
      '{"a":[1,-2.5e+3,"\\u00e4\\n",true,false,null,{},[]]}',
      { a: [1, -2500, "ä\n", true, false, null, {}, []] },
    ],
  ])("%j", (text, expected) => {
    expect(plain(parseGoJson(text))).toEqual(expected);
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
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
    ['"a\n"', "invalid character '\\n' in string literal"],
    ['"\u0001"', "invalid character '\\x01' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["-x", "invalid character 'x' in numeric literal"],
    ["1.", "unexpected EOF"],
    ["1.x", "invalid character 'x' after decimal point in numeric literal"],
    ["1ex", "invalid character 'x' in exponent of numeric literal"],
    ["nul", "unexpected EOF"],
    ["nux", "invalid character 'x' in literal null (expecting 'l')"],
    ["ä", "invalid character 'Ã' looking for beginning of value"],
    ["😀", "invalid character 'ð' looking for beginning of value"],
    ["\u00a0", "invalid character 'Â' looking for beginning of value"],
  ])("%j is rejected: %s", (text, message) => {
    expect(() => parseGoJson(text)).toThrow(message);
  });

  it("of too many levels is rejected", () => {
    expect(() => parseGoJson("[".repeat(100_000))).toThrow("exceeded max depth");
  });
});
