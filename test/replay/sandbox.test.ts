import { gunzipSync, gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeactivateUserGrantResponseSchema } from "../../gen/zitadel/management_pb.js";
import { encodeFrame } from "../../src/common/frames.js";
import { type Role, type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";
import { comparable, comparableJson } from "./comparable.js";
import { type RawResponse, sendHttp1, sendHttp2 } from "./raw-request.js";
import {
  bodyOf,
  type Exchange,
  grantIdsOf,
  homeOrgIdOf,
  isKnownId,
  readRecordings,
  statusOf,
} from "./recordings.js";

let sandbox: SandboxServer;

const service = "/zitadel.management.v1.ManagementService";

/** Adds what the recorded server knew of, and returns the request with this sandbox's tokens. */
function prepare(
  name: string,
  exchange: Exchange,
): { path: string; headers: Record<string, string>; message: Uint8Array } {
  const { path = `${service}/DeactivateUserGrant`, headers = {}, note } = exchange.request;
  const org = headers["x-zitadel-orgid"];
  if (org !== undefined && org !== sandbox.orgId && isKnownId(org)) {
    sandbox.addOrg({ orgId: org });
  }
  const projectId = sandbox.addProject().projectId;
  const otherProjectId = sandbox.addProject().projectId;
  const ids = new Set(grantIdsOf(exchange).filter(isKnownId));
  for (const grantId of ids) {
    if (sandbox.grant(grantId) === undefined) {
      // Of a list, the last grant is the one that differs.
      const differs = name.includes("another-project") && grantId === [...ids].at(-1);
      sandbox.addGrant({
        grantId,
        projectId: differs ? otherProjectId : projectId,
        state: name.includes("already-inactive") ? "inactive" : "active",
      });
    }
  }
  return {
    path,
    headers: {
      ...headers,
      ...(note === undefined && !name.includes("no-auth")
        ? { authorization: authorization(name, headers.authorization, projectId) }
        : {}),
    },
    message: requestMessage(exchange),
  };
}

/** The token that the recording describes: of whom, and with which role. */
function authorization(name: string, recorded: string | undefined, projectId: string): string {
  const [, description] = /^Bearer <(.*)>$/.exec(recorded ?? "") ?? [];
  if (name.includes("without-audience-scope")) {
    const { userId } = sandbox.addUser({ roles: ["IAM_OWNER"] });
    return `Bearer ${sandbox.addToken({ userId, audience: false })}`;
  }
  if (description === undefined) {
    return recorded ?? `Bearer ${sandbox.token}`;
  }
  if (description === "token") {
    return `Bearer ${sandbox.token}`;
  }
  const role = /[A-Z]+_[A-Z_]+/.exec(description)?.[0] as Role | undefined;
  const roles = role === undefined ? [] : [{ role, projectId }];
  return `Bearer ${sandbox.addUser({ roles }).token}`;
}

function requestMessage({ request }: Exchange): Uint8Array {
  if (request.note?.includes("230000 ids") === true) {
    return Buffer.alloc(230_000 * 20, Buffer.from(`\x0a\x12${"4".repeat(18)}`));
  }
  if (request.message !== undefined) {
    return Buffer.from(request.message, "base64");
  }
  const { userId, grantId } = sandbox.addGrant();
  return Buffer.from(`\x0a\x12${userId}\x12\x12${grantId}`);
}

/** Message frames of a body, unpacked; compressed ones are told by their flags. */
function frames(body: Buffer): unknown[] {
  if (body.byteLength === 0) {
    return [];
  }
  const [flags = 0] = body;
  const end = 5 + body.readUInt32BE(1);
  const payload = body.subarray(5, end);
  const content =
    flags === 0x80
      ? comparable(trailersOf(payload.toString()))
      : comparableMessage(flags === 1 ? gunzipSync(payload) : payload);
  return [{ flags, content }, ...frames(body.subarray(end))];
}

function trailersOf(text: string): Record<string, string> {
  const lines = text.split("\r\n").filter((line) => line !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

/** Both responses in one: the one of a removal is empty. */
function comparableMessage(bytes: Uint8Array): unknown {
  const { details } = fromBinary(DeactivateUserGrantResponseSchema, bytes);
  return (
    details && { ...details, changeDate: details.changeDate === undefined ? "missing" : "a date" }
  );
}

function compare(response: RawResponse, exchange: Exchange): void {
  expect(response.status).toBe(statusOf(exchange));
  expect(comparable(response.headers)).toEqual(comparable(exchange.response.headers));
  expect(comparable(response.trailers)).toEqual(comparable(exchange.response.trailers ?? {}));
  const isText = String(response.headers["content-type"]).startsWith("text/plain");
  if (!isText) {
    expect(frames(response.body)).toEqual(frames(bodyOf(exchange)));
  }
}

describe.each(generations)("the sandbox responds like the recorded ZITADEL %s,", (generation) => {
  beforeAll(async () => {
    sandbox = await startSandbox({ generation, orgId: homeOrgIdOf(generation) });
  });

  afterAll(() => sandbox.close());

  describe("over gRPC:", () => {
    it.each(readRecordings("grpc", generation))("%s", async (name, exchange) => {
      const { path, headers, message } = prepare(name, exchange);
      const compressed = headers["grpc-encoding"] === "gzip";
      const baseUrl =
        name === "wrong-host" ? sandbox.baseUrl.replace("localhost", "127.0.0.1") : sandbox.baseUrl;
      const response = await sendHttp2({
        method: "POST",
        url: baseUrl + path,
        headers: { "content-type": "application/grpc+proto", te: "trailers", ...headers },
        body: compressed ? encodeFrame(gzipSync(message), 1) : encodeFrame(message),
      });
      compare(response, exchange);
    });
  });

  describe("over gRPC-web:", () => {
    it.each(readRecordings("grpc-web", generation))("%s", async (name, exchange) => {
      const { path, headers, message } = prepare(name, exchange);
      const send = name.includes("http2") ? sendHttp2 : sendHttp1;
      const response = await send({
        method: "POST",
        url: sandbox.baseUrl + path,
        headers,
        body: encodeFrame(message),
      });
      compare(response, exchange);
    });
  });

  describe("over JSON:", () => {
    it.each(readRecordings("json", generation))("%s", async (name, exchange) => {
      const { path, headers } = prepare(name, exchange);
      const { method = "", body } = exchange.request;
      const response = await sendHttp1({
        method,
        url: sandbox.baseUrl + path,
        headers,
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      });
      expect(response.status).toBe(statusOf(exchange));
      expect(comparableJson(response.body)).toEqual(comparableJson(bodyOf(exchange)));
      expect(comparable(response.headers)).toEqual(comparable(exchange.response.headers));
    });
  });

  describe("preflights:", () => {
    const paths: Record<string, string> = {
      "grpc-web": `${service}/DeactivateUserGrant`,
      "json DELETE": "/management/v1/user_grants/_bulk",
      "json POST": "/management/v1/users/1/grants/2/_deactivate",
      "token endpoint": "/oauth/v2/token",
    };
    it.each(readRecordings("cors", generation))("%s", async (name, exchange) => {
      const [, kind = "", names = ""] = /^(.*) (\S+)$/.exec(name) ?? [];
      // The browser names what the page sets; a token request always has a content type.
      const headers =
        kind === "token endpoint" && names === "authorization" ? `${names},content-type` : names;
      const response = await sendHttp1({
        method: "OPTIONS",
        url: sandbox.baseUrl + paths[kind],
        headers: {
          origin: "https://app.example.com",
          "access-control-request-method": kind === "json DELETE" ? "DELETE" : "POST",
          "access-control-request-headers": headers,
        },
      });
      compare(response, exchange);
    });
  });

  describe("over HTTP:", () => {
    const paths: Record<string, string> = {
      userinfo: "/oidc/v1/userinfo",
      "my-organization": "/management/v1/orgs/me",
      "my-organization, limited role": "/management/v1/orgs/me",
      healthz: "/debug/healthz",
      ready: "/debug/ready",
    };
    const exchanges = readRecordings("http", generation).filter(([name]) => name in paths);
    it.each(exchanges)("%s", async (name, exchange) => {
      const limited = sandbox.addUser({
        roles: [{ role: "PROJECT_OWNER", projectId: sandbox.projectId }],
      });
      const token = name.includes("limited") ? limited.token : sandbox.token;
      const response = await sendHttp1({
        method: "GET",
        url: sandbox.baseUrl + paths[name],
        headers: { authorization: `Bearer ${token}` },
      });
      const ids = (body: Buffer) =>
        comparableJson(Buffer.from(body.toString().replaceAll(/"\d{18}"/g, '"id"')));
      expect(response.status).toBe(statusOf(exchange));
      expect(ids(response.body)).toEqual(ids(bodyOf(exchange)));
      expect(comparable(response.headers)).toEqual(comparable(exchange.response.headers));
    });
  });
});
