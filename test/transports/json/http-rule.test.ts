import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import * as plainJson from "../../../src/transports/call/plain-json.js";
import { anyService, buildRequest } from "../../../src/transports/json/request.js";
import { httpBindings, parseTemplate, pathPrefix } from "../../../src/transports/json/template.js";
import { buildService, type MethodSpec } from "../../support/http-rule-service.js";

const fields = {
  name: "string",
  parent: "string",
  count: "int32",
  big: "uint64",
  flag: "bool",
  data: "bytes",
  state: "State",
  ids: "repeated string",
  states: "repeated State",
  bigs: "repeated int64",
  note: "optional string",
  size: "optional int32",
  when: "google.protobuf.Timestamp",
  wait: "google.protobuf.Duration",
  mask: "google.protobuf.FieldMask",
  label: "google.protobuf.StringValue",
  limit: "google.protobuf.UInt64Value",
  on: "google.protobuf.BoolValue",
  meta: "google.protobuf.Struct",
  nested: "Nested",
  list: "repeated Nested",
  labels: "map",
};

function service(...methods: MethodSpec[]) {
  return buildService(fields, methods);
}

/** The request for a message, given as JSON. */
function build(method: MethodSpec, json: Parameters<typeof fromJson>[1], ...others: MethodSpec[]) {
  const [rpc] = service(method, ...others).methods;
  const { verb, target, body } = buildRequest(rpc!, fromJson(rpc!.input, json), {}, anyService);
  return body === undefined ? `${verb} ${target}` : `${verb} ${target} ${body}`;
}

function refusal(run: () => unknown): ConnectError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectError);
    return error as ConnectError;
  }
  throw new Error("was not refused");
}

const get = (path: string): MethodSpec => ({ get: path });

describe("the request", () => {
  it("has the routes of the two RPCs", () => {
    const { deactivateUserGrant, bulkRemoveUserGrant } = ManagementService.method;
    expect(
      buildRequest(
        deactivateUserGrant,
        create(deactivateUserGrant.input, { userId: "1", grantId: "? 2" }),
        {},
        plainJson,
      ),
    ).toMatchObject({ verb: "POST", target: "/users/1/grants/%3F%202/_deactivate", body: "{}" });
    expect(
      buildRequest(
        bulkRemoveUserGrant,
        create(bulkRemoveUserGrant.input, { grantId: ["1", "1"] }),
        {},
        plainJson,
      ),
    ).toMatchObject({
      verb: "DELETE",
      target: "/user_grants/_bulk",
      body: '{"grantId":["1","1"]}',
    });
  });

  it.each([
    ["get", "GET"],
    ["put", "PUT"],
    ["post", "POST"],
    ["delete", "DELETE"],
    ["patch", "PATCH"],
  ] as const)("uses the verb of %s", (key, verb) => {
    expect(build({ [key]: "/x" }, {})).toBe(`${verb} /x`);
  });

  it("uses the verb of a custom pattern", () => {
    expect(build({ custom: { kind: "REPORT", path: "/x/{name}" } }, { name: "n" })).toBe(
      "REPORT /x/n",
    );
  });

  it.each<[string, MethodSpec, Parameters<typeof fromJson>[1], string]>([
    ["a nested variable", get("/x/{nested.id}"), { nested: { id: "1" } }, "GET /x/1"],
    [
      "a pattern of several segments",
      get("/v1/{name=shelves/*/books/**}"),
      { name: "shelves/a b/books/c/ü" },
      "GET /v1/shelves/a%20b/books/c/%C3%BC",
    ],
    [
      "a custom verb",
      { post: "/v1/{name=things/*}:undelete" },
      { name: "things/1" },
      "POST /v1/things/1:undelete",
    ],
    ["a number that is 0", get("/x/{count}"), {}, "GET /x/0"],
    ["an enum at its first value", get("/x/{state}"), {}, "GET /x/STATE_NONE"],
    ["64 bits", get("/x/{big}"), { big: "18446744073709551615" }, "GET /x/18446744073709551615"],
    ["bytes, in the alphabet without slashes", get("/x/{data}"), { data: "+/+/" }, "GET /x/-_-_"],
    [
      "a timestamp",
      get("/x/{when}"),
      { when: "2026-11-22T06:52:50.5Z" },
      "GET /x/2026-11-22T06%3A52%3A50.500Z",
    ],
  ])("puts into the path: %s", (_, method, json, expected) => {
    expect(build(method, json)).toBe(expected);
  });

  it.each<[string, Parameters<typeof fromJson>[1], string]>([
    ["text, encoded", { parent: "a&b=c d+ü" }, "parent=a%26b%3Dc%20d%2B%C3%BC"],
    ["lists", { ids: ["1", "2", "1"] }, "ids=1&ids=2&ids=1"],
    ["enums", { states: ["STATE_ON", "STATE_NONE"] }, "states=STATE_ON&states=STATE_NONE"],
    ["64 bits", { bigs: ["-9223372036854775808", "1"] }, "bigs=-9223372036854775808&bigs=1"],
    ["bytes", { data: "+/8=" }, "data=%2B%2F8%3D"],
    ["present defaults", { note: "", size: 0 }, "note=&size=0"],
    ["a timestamp", { when: "2026-11-22T06:52:50Z" }, "when=2026-11-22T06%3A52%3A50Z"],
    ["a duration", { wait: "-1.500s" }, "wait=-1.500s"],
    [
      "a field mask, as grpc-gateway splits it",
      { mask: "userName,a.bC" },
      "mask=user_name%2Ca.b_c",
    ],
    ["wrappers", { label: "", limit: "7", on: false }, "label=&limit=7&on=false"],
    ["a struct, as JSON", { meta: { a: [1] } }, "meta=%7B%22a%22%3A%5B1%5D%7D"],
    ["nested fields", { nested: { id: "1", inner: { id: "2" } } }, "nested.id=1&nested.inner.id=2"],
    ["an empty message, by a default of its own", { nested: {} }, "nested.id="],
  ])("has the rest as a query: %s", (_, json, query) => {
    expect(build(get("/x"), json)).toBe(`GET /x?${query}`);
  });

  it("has as body a named field, whole, and the rest as a query", () => {
    const method: MethodSpec = { patch: "/x/{nested.id}", body: "nested" };
    expect(build(method, { nested: { id: "1", inner: {} }, count: 3 })).toBe(
      'PATCH /x/1?count=3 {"id":"1","inner":{}}',
    );
    expect(build({ put: "/x", body: "ids" }, { ids: ["1"], name: "n" })).toBe(
      'PUT /x?name=n ["1"]',
    );
    expect(build({ put: "/x", body: "nested" }, {})).toBe("PUT /x");
  });

  it("has as body everything that the path does not bind", () => {
    const method: MethodSpec = { post: "/x/{name}/{nested.id}", body: "*" };
    expect(build(method, { name: "n", nested: { id: "1" }, ids: ["2"] })).toBe(
      'POST /x/n/1 {"ids":["2"]}',
    );
  });

  it("is that of the first binding that the message fits", () => {
    const method: MethodSpec = {
      get: "/a/{name}",
      additionalBindings: [{ get: "/b/{parent}" }, { post: "/c", body: "*" }],
    };
    expect(build(method, { name: "n", parent: "p" })).toBe("GET /a/n?parent=p");
    expect(build(method, { parent: "p" })).toBe("GET /b/p");
    expect(build(method, { labels: { a: "b" } })).toBe('POST /c {"labels":{"a":"b"}}');
  });
});

describe("requests that cannot be sent are rejected", () => {
  it.each([
    ["empty", ""],
    ["a dot", "."],
    ["two dots", ".."],
    ["a slash", "a/b"],
    ["a slash alone", "/"],
    ["slashes and dots", "../../../admin/v1"],
    ["a lone surrogate", "a\ud800"],
    ["the other lone surrogate", "\udc00b"],
  ])("a path variable that is %s", (_, userId) => {
    const { deactivateUserGrant: rpc } = ManagementService.method;
    for (const init of [
      { userId, grantId: "1" },
      { userId: "1", grantId: userId },
    ]) {
      const error = refusal(() => buildRequest(rpc, create(rpc.input, init), {}, anyService));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.message).toContain("DeactivateUserGrant was not sent");
    }
  });

  it.each([
    ["a backslash", "a\\..\\b", "a%5C..%5Cb"],
    ["encoded dots", "%2e%2E", "%252e%252E"],
    ["an encoded slash", "a%2Fb", "a%252Fb"],
    ["a question mark", "a?b=c", "a%3Fb%3Dc"],
    ["a hash", "a#b", "a%23b"],
    ["more dots than two", "...", "..."],
    ["a colon", "a:b", "a%3Ab"],
    ["every other character of printable ASCII", "a b%<>\"'@~", "a%20b%25%3C%3E%22'%40~"],
  ])("but not a path variable with %s, which is encoded", (_, userId, encoded) => {
    const { deactivateUserGrant: rpc } = ManagementService.method;
    const { target } = buildRequest(
      rpc,
      create(rpc.input, { userId, grantId: "1" }),
      {},
      plainJson,
    );
    expect(target).toBe(`/users/${encoded}/grants/1/_deactivate`);
    // And no URL parser makes another path of it.
    expect(new URL(target, "http://localhost").pathname).toBe(target);
  });

  it.each(["ü", "a\nb", "\u007f", "．", "x\u200d"])(
    "but a path variable with %j: ZITADEL's JSON routes cannot carry it",
    (userId) => {
      const { deactivateUserGrant: rpc } = ManagementService.method;
      const message = create(rpc.input, { userId, grantId: "1" });
      expect(() => buildRequest(rpc, message, {}, plainJson)).toThrow(
        /user_id is .*printable ASCII.*zitadel-user-grants\/grpc/s,
      );
    },
  );

  it.each([
    ["shelves/a", "no match of the pattern"],
    ["shelves/../books/c", "dots"],
    ["shelves/a/books/", "an empty segment"],
    ["shelves/a/books/c//d", "an empty segment"],
    ["shelves/a/books", "nothing for the deep wildcard"],
    ["other/a/books/c", "another literal"],
    ["shelves/a/books/c/..", "dots at the end"],
  ])("%s in a pattern: %s", (name) => {
    const method = get("/v1/{name=shelves/*/books/**}");
    expect(refusal(() => build(method, { name })).code).toBe(Code.InvalidArgument);
  });

  it("a value that would be the route of another RPC", () => {
    const users = get("/users/{name}");
    for (const [name, other] of [
      ["me", get("/users/me")],
      ["1:lock", get("/users/{name}:lock")],
      ["1:lock", get("/users/{parent=*}:lock")],
    ] as const) {
      const error = refusal(() => build(users, { name }, other));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.message).toContain("Method1");
    }
    expect(build(users, { name: "me" }, { delete: "/users/me" })).toBe("GET /users/me");
    expect(build(users, { name: "me" }, get("/users/{parent}"))).toBe("GET /users/me");
    expect(build(get("/users/me"), {}, users)).toBe("GET /users/me");
    const deep = get("/{name=files/**}");
    expect(
      refusal(() => build(deep, { name: "files/a/info" }, get("/files/{parent}/info"))).code,
    ).toBe(Code.InvalidArgument);
  });

  it.each<[string, Parameters<typeof fromJson>[1]]>([
    ["a map", { labels: { a: "b" } }],
    ["a list of messages", { list: [{ id: "1" }] }],
    ["an empty message with no default to stand for it", { nested: { inner: { deep: {} } } }],
  ])("%s in a query", (_, json) => {
    const error = refusal(() => build(get("/x"), json));
    expect(error.code).toBe(Code.InvalidArgument);
  });

  it("a lone surrogate in a query", () => {
    const [rpc] = service(get("/x")).methods;
    const message = create(rpc!.input, { parent: "\ud800" } as MessageInitShape<never>);
    expect(refusal(() => buildRequest(rpc!, message, {}, anyService)).code).toBe(
      Code.InvalidArgument,
    );
  });

  it.each<[string, MethodSpec]>([
    ["no annotation", {}],
    ["a body with GET", { get: "/x", body: "*" }],
    ["a field that is not there", get("/x/{nope}")],
    ["a field inside of a scalar", get("/x/{name.id}")],
    ["a list in the path", get("/x/{ids}")],
    ["a message in the path", get("/x/{nested}")],
    ["a body that is not there", { post: "/x", body: "nope" }],
    ["a path without a leading slash", get("x")],
    ["an empty segment", get("/x//y")],
    ["a brace that does not close", get("/x/{name")],
    ["two deep wildcards", get("/{name=**}/{parent=**}")],
  ])("a method with %s, as Unimplemented", (_, method) => {
    const error = refusal(() => build(method, {}));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.message).toContain("HTTP/JSON cannot carry test.v1.TestService.Method0: ");
  });
});

describe("a path template", () => {
  it("keeps colons of literals, and reads the verb after the last", () => {
    expect(parseTemplate("/v1/a:b/c:d:e")).toMatchObject({
      segments: ["v1", "a:b", "c:d"],
      verb: ":e",
    });
    expect(parseTemplate("/v1/{name}:a:b")).toMatchObject({ segments: ["v1", "*"], verb: ":a:b" });
  });
});

describe("the prefix of a service", () => {
  it("is that of ZITADEL's v1 packages, or the caller's", () => {
    expect(pathPrefix(ManagementService)).toBe("/management/v1");
    expect(pathPrefix(ManagementService, { "zitadel.management.v1": "/m" })).toBe("/m");
    expect(pathPrefix(service())).toBe("");
    expect(pathPrefix(service(), { "test.v1": "/t" })).toBe("/t");
  });
});

describe("the bindings of an annotation", () => {
  it("are in their order", () => {
    const [rpc] = service({ get: "/a", additionalBindings: [{ get: "/b" }] }).methods;
    const bindings = httpBindings(rpc!);
    expect(
      typeof bindings === "object" && bindings.map(({ template }) => template.segments),
    ).toEqual([["a"], ["b"]]);
  });
});
