import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  BulkRemoveUserGrantRequestSchema,
  DeactivateUserGrantRequestSchema,
} from "../../gen/zitadel/management_pb.js";
import { encodeFrame } from "../../src/common/frames.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { type RawResponse, sendHttp1, sendHttp2 } from "../replay/raw-request.js";

let sandbox: SandboxServer;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(() => sandbox.close());

const service = "/zitadel.management.v1.ManagementService";
const deactivate = `${service}/DeactivateUserGrant`;
const bulkRemove = `${service}/BulkRemoveUserGrant`;

interface Call {
  path?: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  host?: string;
}

function deactivation(userId: string, grantId: string): Uint8Array {
  const message = create(DeactivateUserGrantRequestSchema, { userId, grantId });
  return encodeFrame(toBinary(DeactivateUserGrantRequestSchema, message));
}

function removal(grantId: string[]): Uint8Array {
  const message = create(BulkRemoveUserGrantRequestSchema, { grantId });
  return encodeFrame(toBinary(BulkRemoveUserGrantRequestSchema, message));
}

function authority(host: string): string {
  return `${host}:${new URL(sandbox.baseUrl).port}`;
}

async function callGrpc({ path = deactivate, headers, body, host = "localhost" }: Call = {}) {
  const response = await sendHttp2({
    method: "POST",
    url: `http://${authority(host)}${path}`,
    headers: {
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${sandbox.token}`,
      ...headers,
    },
    body: body ?? deactivation("1", "2"),
  });
  return { ...response, ...statusOf(response.trailers) };
}

function statusOf(fields: RawResponse["headers"]) {
  return {
    code: Number(fields["grpc-status"]),
    message: decodeURIComponent(String(fields["grpc-message"] ?? "")),
  };
}

describe("of a header that comes twice, the first counts", () => {
  const orgIds = () => [sandbox.orgId, "unknown"];
  const emptyList = /COMMAND-5M0sd/;

  it("over HTTP/2", async () => {
    const session = connect(sandbox.baseUrl);
    onTestFinished(() => session.close());
    const stream = session.request({
      ":method": "POST",
      ":path": bulkRemove,
      "content-type": "application/grpc",
      authorization: `Bearer ${sandbox.token}`,
      "x-zitadel-orgid": orgIds(),
    });
    stream.end(removal([]));
    stream.resume();
    const [trailers] = await once(stream, "trailers");
    expect(statusOf(trailers).message).toMatch(emptyList);
  });

  it("over HTTP/1.1", async () => {
    const sent = request(`${sandbox.baseUrl}/management/v1/user_grants/_bulk`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${sandbox.token}`, "x-zitadel-orgid": orgIds() },
    });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    expect(await text(response)).toMatch(emptyList);
  });
});

describe("a malformed message", () => {
  const gzip = { "grpc-encoding": "gzip" };

  it.each<[string, number, Call]>([
    ["nothing at all", 2, { body: Buffer.alloc(0) }],
    ["half a prefix", 2, { body: Buffer.from([0, 0]) }],
    ["half a message", 2, { body: deactivation("1", "2").subarray(0, 7) }],
    ["no protobuf", 13, { body: encodeFrame(Buffer.from("nonsense")) }],
    ["invalid UTF-8 in a string", 13, { body: encodeFrame(Buffer.from([0x0a, 0x01, 0xff])) }],
    ["unknown flags", 13, { body: encodeFrame(Buffer.alloc(0), 4) }],
    ["compression that was not announced", 13, { body: encodeFrame(gzipSync(""), 1) }],
    ["an unknown compression", 12, { headers: { "grpc-encoding": "br" } }],
    ["no gzip", 13, { headers: gzip, body: encodeFrame(Buffer.from("no gzip at all"), 1) }],
    ["half a gzip", 13, { headers: gzip, body: encodeFrame(gzipSync("").subarray(0, -4), 1) }],
    [
      "a small message that unpacks to a large one",
      8,
      { headers: gzip, body: encodeFrame(gzipSync(Buffer.alloc(4_194_305)), 1) },
    ],
  ])("%s is rejected before the interceptors", async (_, code, call) => {
    const response = await callGrpc(call);
    expect(response.code).toBe(code);
    expect(response.headers).not.toHaveProperty("x-request-id");
  });

  it.each(["!!!!", "AAAAAAMKATE", "AAAAAA=="])(
    "of gRPC-web in the text %j is rejected",
    async (text) => {
      const { headers } = await sendHttp1({
        method: "POST",
        url: sandbox.baseUrl + deactivate,
        headers: { "content-type": "application/grpc-web-text" },
        body: Buffer.from(text),
      });
      expect(statusOf(headers).code).toBe(2);
    },
  );

  it("of exactly 4 MiB is accepted", async () => {
    // 209,715 ids of 18 characters, and one that fills up.
    const ids = Array.from({ length: 209_715 }, () => "4".repeat(18));
    const body = removal([...ids, "44"]);
    expect(body.byteLength).toBe(5 + 4 * 1024 * 1024);
    expect((await callGrpc({ path: bulkRemove, body })).message).toMatch(/COMMAND-1My0t/);
  });
});

describe("an id", () => {
  it("may be 200 characters long, where an emoji is one", async () => {
    const response = await callGrpc({ body: deactivation("🙂".repeat(200), "2") });
    expect(response.message).toBe("User grant not found (COMMAND-3M9sd)");
  });

  it("may not be longer; the user's is looked at first", async () => {
    const response = await callGrpc({ body: deactivation("🙂".repeat(201), "") });
    expect([response.code, response.message]).toEqual([3, expect.stringContaining("userId")]);
  });

  it("is not looked at before the caller's permission is", async () => {
    const { token } = sandbox.addUser();
    const body = deactivation("", "");
    const response = await callGrpc({ body, headers: { authorization: `Bearer ${token}` } });
    expect(response.message).toBe("membership not found (AUTHZ-cdgFk)");
  });

  it("decides about the error of a list by its place in it", async () => {
    const projectId = sandbox.addProject().projectId;
    const { token } = sandbox.addUser({ roles: [{ role: "PROJECT_OWNER", projectId }] });
    const own = sandbox.addGrant({ projectId }).grantId;
    const foreign = sandbox.addGrant().grantId;
    const errors = [];
    for (const ids of [
      [own, foreign, "9", ""],
      [own, "9", foreign, ""],
      [own, "", "9", foreign],
    ]) {
      const headers = { authorization: `Bearer ${token}` };
      const response = await callGrpc({ path: bulkRemove, body: removal(ids), headers });
      errors.push(response.message);
    }
    expect(errors.map((error) => /\((.*)\)/.exec(error)?.[1])).toEqual([
      "EVENT-Shu7e",
      "COMMAND-1My0t",
      "COMMAND-J9sc5",
    ]);
    expect(sandbox.grant(own)).toBeDefined();
  });
});

describe("a deadline", () => {
  it.each(["x", "1234567890S", "10x", "aS"])("%s is rejected", async (timeout) => {
    const { status } = await callGrpc({ headers: { "grpc-timeout": timeout } });
    expect(status).toBe(400);
    const overWeb = await sendHttp1({
      method: "POST",
      url: sandbox.baseUrl + deactivate,
      headers: { "content-type": "application/grpc-web+proto", "grpc-timeout": timeout },
      body: deactivation("1", "2"),
    });
    expect(overWeb.status).toBe(400);
  });

  it("settles a call that takes longer, and changes nothing", async () => {
    const slow = await startSandbox({ requestLatencyMs: 60_000 });
    const grant = slow.addGrant();
    const response = await sendHttp2({
      method: "POST",
      url: slow.baseUrl + deactivate,
      headers: {
        "content-type": "application/grpc",
        authorization: `Bearer ${slow.token}`,
        "grpc-timeout": "20m",
      },
      body: deactivation(grant.userId, grant.grantId),
    });
    expect(statusOf(response.trailers)).toEqual({ code: 4, message: "context deadline exceeded" });
    expect(slow.grant(grant.grantId)?.state).toBe("active");
    await slow.close();
  });
});

describe("accept-language", () => {
  const english = "User grant not found (COMMAND-3M9sd)";
  const german = "Benutzer Berechtigung konnte nicht gefunden werden (COMMAND-3M9sd)";

  it.each([
    ["de-CH", german],
    ["DE", german],
    ["en;q=0.5, de;q=0.9", german],
    ["en, de", english],
    ["de;q=0, en", english],
    ["de;q=x", english],
    ["", english],
  ])("%j gets a response in the preferred language", async (language, message) => {
    const response = await callGrpc({ headers: { "accept-language": language } });
    expect(response.message).toBe(message);
  });

  it("comes after the language of the user", async () => {
    const { token } = sandbox.addUser({ roles: ["ORG_OWNER"], preferredLanguage: "de" });
    const headers = { authorization: `Bearer ${token}`, "accept-language": "en" };
    expect((await callGrpc({ headers })).message).toBe(german);
  });

  it("does not matter to errors from before the command", async () => {
    const headers = { "accept-language": "de", "x-zitadel-orgid": "999" };
    expect((await callGrpc({ headers })).message).toMatch(/^Organisation doesn't exist/);
  });
});

describe("the instance", () => {
  const wrongHost = /^unable to set instance using origin/;

  it.each([
    [":authority", "localhost", /COMMAND-3M9sd/],
    ["x-zitadel-instance-host", "localhost", /COMMAND-3M9sd/],
    ["x-forwarded-host", "localhost:443", /COMMAND-3M9sd/],
    ["x-zitadel-instance-host", "elsewhere", wrongHost],
    ["x-other", "localhost", wrongHost],
  ])("is looked up with %s: %s", async (name, value, message) => {
    const headers = { [name]: name === ":authority" ? authority(value) : value };
    const response = await callGrpc({ host: "127.0.0.1", headers });
    expect(response.message).toMatch(message);
  });

  it("has the configured host names", async () => {
    const named = await startSandbox({ hosts: ["zitadel.example.com", "127.0.0.1"] });
    const { port } = new URL(named.baseUrl);
    const headers = { authorization: `Bearer ${named.token}` };
    const url = `http://127.0.0.1:${port}/oidc/v1/userinfo`;
    expect((await sendHttp1({ method: "GET", url, headers })).status).toBe(200);
    const other = { ...headers, host: "elsewhere" };
    const refused = await sendHttp1({ method: "GET", url, headers: other });
    expect(refused.status).toBe(404);
    expect(refused.body.toString()).toMatch(/\(ExternalDomain is zitadel\.example\.com\)/);
    await named.close();
  });
});

describe("the content type", () => {
  it("is echoed as it was sent, and the message is read as binary in any case", async () => {
    const type = "application/grpc+json";
    const { headers, message } = await callGrpc({ headers: { "content-type": type } });
    expect([headers["content-type"], message]).toEqual([
      type,
      "User grant not found (COMMAND-3M9sd)",
    ]);
  });

  it("of gRPC is not a route over HTTP/1.1, nor is an unknown subtype", async () => {
    const headers = { "content-type": "application/grpc" };
    const url = sandbox.baseUrl + deactivate;
    const http1 = await sendHttp1({ method: "POST", url, headers });
    expect([http1.status, JSON.parse(http1.body.toString()).code]).toEqual([404, 5]);
    const thrift = await callGrpc({ headers: { "content-type": "application/grpc+thrift" } });
    expect(thrift.status).toBe(404);
  });

  it("of gRPC-web as text has base64 bodies, padded frame by frame", async () => {
    const grant = sandbox.addGrant();
    const message = Buffer.from(deactivation(grant.userId, grant.grantId));
    const response = await sendHttp1({
      method: "POST",
      url: sandbox.baseUrl + deactivate,
      headers: {
        "content-type": "application/grpc-web-text+proto",
        authorization: `Bearer ${sandbox.token}`,
      },
      body: Buffer.from(message.toString("base64").replace(/.{10}/g, "$&\n")),
    });
    expect(response.headers["content-type"]).toBe("application/grpc-web-text+proto");
    const text = response.body.toString();
    const trailer = Buffer.from(encodeFrame(Buffer.from("grpc-status: 0\r\n"), 0x80)).toString(
      "base64",
    );
    expect(text.endsWith(trailer)).toBe(true);
    expect(Buffer.from(text.slice(0, -trailer.length), "base64")[0]).toBe(0);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });
});

it.each(["/other.Service/Method", `${service}/NoSuch`, "/nothing"])(
  "the RPC %s is unimplemented",
  async (path) => {
    expect((await callGrpc({ path })).code).toBe(12);
  },
);

it("lets pages of the given origins alone read its responses", async () => {
  const allowedBy = async (cors: "loopback" | string[], origin: string) => {
    const named = await startSandbox({ cors, host: "0.0.0.0" });
    onTestFinished(() => named.close());
    const response = await sendHttp1({
      method: "OPTIONS",
      url: `${named.baseUrl}/management/v1/users/_search`,
      headers: { origin, "access-control-request-method": "POST" },
    });
    return response.headers["access-control-allow-origin"] === origin;
  };
  expect(await allowedBy("loopback", "http://localhost:5173")).toBe(true);
  expect(await allowedBy("loopback", "http://127.0.0.1:5173")).toBe(true);
  expect(await allowedBy("loopback", "https://localhost.example")).toBe(false);
  expect(await allowedBy(["https://app.example"], "https://app.example")).toBe(true);
  expect(await allowedBy(["https://app.example"], "http://localhost:5173")).toBe(false);
});
