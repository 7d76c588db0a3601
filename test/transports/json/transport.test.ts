import { createRegistry } from "@bufbuild/protobuf";
import { DurationSchema, StructSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { HttpRuleSchema } from "../../../gen/google/api/http_pb.js";
import { ErrorDetailSchema as ErrorDetailV2Schema } from "../../../gen/zitadel/error/v2/error_pb.js";
import {
  createManagementClient,
  createTransport,
  ErrorDetailSchema,
  ManagementService,
  mayHaveBeenApplied,
} from "../../../src/json.js";
import { buildService, type MethodSpec } from "../../support/http-rule-service.js";
import { startHttpServer } from "../../support/http-server.js";
import { createClient as createTestClient, failureOf } from "../../support/protocols.js";

const token = "a-secret-token";

interface FakeResponse {
  status?: number;
  type?: string | null;
  body?: string;
  headers?: Record<string, string>;
}

/** A client of a server that gives one response to everything. */
async function clientOf({
  status = 200,
  type = "application/json",
  body = "",
  headers,
}: FakeResponse) {
  const { baseUrl } = await startHttpServer((_, response) => {
    response.writeHead(status, { ...(type === null ? {} : { "content-type": type }), ...headers });
    response.end(body);
  });
  return createManagementClient({ baseUrl, token });
}

/** What a removal ends as. */
async function outcome(response: FakeResponse): Promise<ConnectError> {
  const client = await clientOf(response);
  return await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
}

describe("a call", () => {
  it("goes to its route, under the prefix of baseUrl, with the headers of JSON", async () => {
    const bodies: string[] = [];
    const { baseUrl, requests } = await startHttpServer((request, response, body) => {
      bodies.push(body.toString());
      response.writeHead(200, { "content-type": "application/json", "x-request-id": "r-1" });
      response.end(
        request.method === "DELETE"
          ? "{}"
          : '{"details":{"sequence":"18446744073709551615", "changeDate":"2026-11-22T06:52:50.101406Z", "resourceOwner":"4", "new":1}}',
      );
    });
    const client = createManagementClient({ baseUrl: `${baseUrl}/prefix/`, token, orgId: "7" });
    let id: string | null = null;
    const { details } = await client.deactivateUserGrant(
      { userId: "a b%?", grantId: "2" },
      {
        timeoutMs: 5000,
        onHeader: (header) => {
          id = header.get("x-request-id");
        },
      },
    );
    await client.bulkRemoveUserGrant({ grantId: ["1", "2"] });
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST /prefix/management/v1/users/a%20b%25%3F/grants/2/_deactivate",
      "DELETE /prefix/management/v1/user_grants/_bulk",
    ]);
    expect(bodies).toEqual(["{}", '{"grantId":["1","2"]}']);
    expect(requests[0]?.headers).toMatchObject({
      accept: "application/json",
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "x-zitadel-orgid": "7",
    });
    expect(requests[0]?.headers["grpc-timeout"]).toBeUndefined();
    expect(details).toMatchObject({
      sequence: 18446744073709551615n,
      changeDate: { seconds: 1795330370n, nanos: 101406000 },
      resourceOwner: "4",
    });
    expect(id).toBe("r-1");
  });

  it("without a body has no content type", async () => {
    const { baseUrl, requests } = await startHttpServer((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"name":"n"}');
    });
    const service = buildService({ name: "string" }, [{ get: "/x/{name}" }]);
    const client = createClient(service, createTransport({ baseUrl })) as unknown as {
      method0: (request: object) => Promise<object>;
    };
    expect(await client.method0({ name: "n" })).toMatchObject({ name: "n" });
    expect(requests[0]?.headers["content-type"]).toBeUndefined();
  });

  it("can use another prefix", async () => {
    const urls: string[] = [];
    const client = createManagementClient({
      baseUrl: "http://localhost",
      pathPrefixes: { "zitadel.management.v1": "/m" },
      fetch: async (url) => {
        urls.push(String(url));
        return new Response("{}", { headers: { "content-type": "application/json" } });
      },
    });
    await client.bulkRemoveUserGrant({ grantId: ["1"] });
    expect(urls).toEqual(["http://localhost/m/user_grants/_bulk"]);
    expect(() =>
      createTransport({ baseUrl: "http://localhost", pathPrefixes: { a: "no-slash" } }),
    ).toThrow(TypeError);
  });

  it("sends message and URL as changed by interceptors", async () => {
    const sent: string[] = [];
    const client = createManagementClient({
      baseUrl: "http://localhost",
      interceptors: [
        (next) => async (request) => {
          Object.assign(request.message as object, { grantId: "changed" });
          return await next(request);
        },
      ],
      fetch: async (url) => {
        sent.push(String(url));
        const body = '{"details":{"sequence":"5"}}';
        return new Response(body, { headers: { "content-type": "application/json" } });
      },
    });
    await client.deactivateUserGrant({ userId: "1", grantId: "2" });
    expect(sent).toEqual(["http://localhost/management/v1/users/1/grants/changed/_deactivate"]);
  });

  it("settles at its caller's abort while the response is read", async () => {
    const controller = new AbortController();
    const { baseUrl } = await startHttpServer((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write("{", () => controller.abort("gone"));
    });
    const { signal } = controller;
    const call = createTestClient("json", { baseUrl }).bulkRemoveUserGrant(
      { grantId: [] },
      { signal },
    );
    expect(await failureOf(call)).toMatchObject({ code: Code.Canceled, cause: "gone" });
  });

  it("with an id that the path cannot carry is rejected before the token source is called", async () => {
    let asked = 0;
    const client = createManagementClient({
      baseUrl: "http://localhost:1",
      token: () => {
        asked++;
        return token;
      },
    });
    const error = await failureOf(client.deactivateUserGrant({ userId: "..", grantId: "2" }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.message).toContain("user_id");
    expect(asked).toBe(0);
  });

  it.each<[string, MethodSpec, string]>([
    ["streaming", { get: "/x", streaming: true }, "server_streaming"],
    ["without an annotation", {}, "no google.api.http annotation"],
  ])("that is %s fails with Unimplemented and the reason", async (_, method, why) => {
    const service = buildService({ name: "string" }, [method]);
    const transport = createTransport({ baseUrl: "http://localhost:1" });
    const client = createClient(service, transport) as unknown as {
      method0: (request: object) => Promise<object> | AsyncIterable<object>;
    };
    const run = async () => {
      const result = client.method0({});
      if (Symbol.asyncIterator in result) {
        for await (const _ of result) {
          // Nothing comes.
        }
      } else {
        await result;
      }
    };
    const error = await failureOf(run());
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.message).toContain(why);
  });

  it("reads the field of response_body", async () => {
    const service = buildService({ ids: "repeated string" }, [{ get: "/x", responseBody: "ids" }]);
    const transport = createTransport({
      baseUrl: "http://localhost",
      fetch: async () =>
        new Response('["1","2"]', { headers: { "content-type": "application/json" } }),
    });
    const client = createClient(service, transport) as unknown as {
      method0: (request: object) => Promise<object>;
    };
    expect(await client.method0({})).toMatchObject({ ids: ["1", "2"] });
  });
});

describe("the gateway's error", () => {
  it("has details of every type, in their order, as over gRPC, beside malformed ones", async () => {
    const any = (type: string, fields: object) => ({
      "@type": `type.googleapis.com/${type}`,
      ...fields,
    });
    const { baseUrl } = await startHttpServer((_, response) => {
      response.writeHead(400, { "content-type": "application/json" });
      const details = [
        null,
        "text",
        {},
        any("google.api.HttpRule", { selector: token, put: "/x", new: 1 }),
        any("google.protobuf.Struct", { value: { a: [1] } }),
        any("google.protobuf.Duration", { value: "1.5 hours" }),
        any("google.api.HttpRule", { selector: "second" }),
        any("zitadel.v1.ErrorDetail", { id: "COMMAND-3M0fs" }),
        any("zitadel.error.v2.ErrorDetail", { slug: "s", details: {} }),
      ];
      response.end(JSON.stringify({ code: 3, message: "Password is invalid", details }));
    });
    const transport = createTransport({ baseUrl, token });
    const client = createClient(ManagementService, transport);
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    // Secrets in them are masked.
    expect(error.findDetails(HttpRuleSchema)).toMatchObject([
      { selector: "***", pattern: { case: "put", value: "/x" } },
      { selector: "second" },
    ]);
    expect(error.findDetails(StructSchema)).toMatchObject([
      { fields: { a: { kind: { case: "listValue" } } } },
    ]);
    expect(error.findDetails(DurationSchema)).toEqual([]);
    expect(error.findDetails(ErrorDetailV2Schema)).toMatchObject([{ slug: "s" }]);
    const registry = createRegistry(StructSchema, HttpRuleSchema, ErrorDetailSchema);
    expect(error.findDetails(registry).map(({ $typeName }) => $typeName)).toEqual([
      "google.api.HttpRule",
      "google.protobuf.Struct",
      "google.api.HttpRule",
      "zitadel.v1.ErrorDetail",
    ]);
  });

  it("keeps the first of a flood of details, and nothing of what is nested without end", async () => {
    const detail = '{"@type":"x/a.B"}';
    const flood = await outcome({
      status: 403,
      body: `{"code":7,"message":"no","details":[${`{},${detail},`.repeat(100_000)}{}]}`,
    });
    expect(flood.details).toHaveLength(100);
    const nested = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const deep = await outcome({
      status: 403,
      body: `{"code":7,"message":"no","details":[{"@type":"x/a.B","a":${nested}},${detail}]}`,
    });
    expect(deep).toMatchObject({ code: Code.PermissionDenied, details: [{}, {}] });
    expect(JSON.stringify(deep.details).length).toBeLessThan(1_000);
  });
});

describe("a response that is not the gateway's", () => {
  it.each<[string, FakeResponse, string[]]>([
    ["JSON without a content type", { type: null, body: "{}" }, ["no content type"]],
    ["nothing with 200", { body: "" }, ["200", "without text"]],
    ["no content", { status: 204, type: null }, ["204"]],
    ["a list", { body: "[]" }, ["200"]],
    ["half of an object", { body: '{"details":' }, ["200", "cut off"]],
    ["an object of something else", { body: '{"error":"login first"}' }, ["200"]],
    ["another shape", { body: '{"details":"text"}' }, ["DeactivateUserGrantResponse"]],
  ])("%s is an error that describes it", async (_, response, texts) => {
    const client = await clientOf(response);
    const error = await failureOf(client.deactivateUserGrant({ userId: "1", grantId: "2" }));
    expect(Code[error.code]).toBe("Unknown");
    for (const text of texts) {
      expect(error.message).toContain(text);
    }
    expect(error.message).not.toContain("login first");
  });

  it("an error with an HTTP status as its code has that status", async () => {
    const error = await outcome({ status: 401, body: '{"code":401,"message":"no"}' });
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.message).toContain("401");
  });

  it("fields of a newer server beside known ones are ignored, or rejected if so configured", async () => {
    const response = { body: '{"details":{"sequence":"5","new":{}},"new":1}' };
    const client = await clientOf(response);
    const request = { userId: "1", grantId: "2" };
    expect((await client.deactivateUserGrant(request)).details?.sequence).toBe(5n);
    const strict = createManagementClient({
      baseUrl: "http://localhost",
      jsonOptions: { ignoreUnknownFields: false },
      fetch: async () =>
        new Response(response.body, { headers: { "content-type": "application/json" } }),
    });
    expect((await failureOf(strict.deactivateUserGrant(request))).code).toBe(Code.Unknown);
  });

  it.each([
    '{"code":403,"message":"Forbidden","details":null}',
    '{"code":"ACCESS_DENIED","details":{"sequence":"5"}}',
    '{"code":null,"details":{"sequence":"5"}}',
    '{"error":"blocked","details":{"sequence":"5"}}',
    '{"errors":[],"details":{"sequence":"5"}}',
    '{"Message":"blocked","details":{"sequence":"5"}}',
    '{"status":"error","details":{"reason":"policy"}}',
    '{"success":false,"details":{"sequence":"5"}}',
    '{"details":{}}',
    '{"details":{"sequence":null}}',
    '{"details":[{"sequence":"5"}]}',
    "{}",
  ])("the envelope %s with status 200 is no success", async (body) => {
    const client = await clientOf({ body });
    const error = await failureOf(client.deactivateUserGrant({ userId: "1", grantId: "2" }));
    expect(error).toMatchObject({ code: Code.Unknown });
    expect(mayHaveBeenApplied(error)).toBe(true);
    // A removal returns an empty message, to which a newer server may add fields.
    const isEnvelope = !/^\{("details".*)?\}$/.test(body);
    const outcome = await (await clientOf({ body })).bulkRemoveUserGrant({ grantId: ["1"] }).then(
      () => "success",
      () => "error",
    );
    expect(outcome).toBe(isEnvelope ? "error" : "success");
  });

  it("a page is searched in one pass for its title", async () => {
    const client = await clientOf({
      status: 502,
      type: "text/html",
      body: "<title".repeat(200_000),
    });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(error.code).toBe(Code.Unavailable);
  }, 5_000);

  it("a problem (RFC 9457) with status 200 is no success", async () => {
    const client = await clientOf({
      type: "application/problem+json",
      body: '{"title":"blocked"}',
    });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(mayHaveBeenApplied(error)).toBe(true);
  });

  it("a redirect that fetch followed does not count", async () => {
    const { baseUrl } = await startHttpServer((request, response) => {
      response.writeHead(request.url === "/elsewhere" ? 200 : 307, {
        "content-type": "application/json",
        location: "/elsewhere",
      });
      response.end("{}");
    });
    const client = createManagementClient({
      baseUrl,
      fetch: (url, init) => fetch(url, { ...init, redirect: "follow" }),
    });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(error.message).toContain("redirect");
  });
});
