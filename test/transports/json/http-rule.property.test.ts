import type { DescMethod, JsonValue, Message } from "@bufbuild/protobuf";
import { create, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HttpRuleMatch } from "../../../src/transports/json/match.js";
import { matchRequest, readRequest } from "../../../src/transports/json/match.js";
import {
  anyService,
  buildRequest,
  type HttpRuleRequest,
} from "../../../src/transports/json/request.js";
import { buildService, type FieldSpecs, type MethodSpec } from "../../support/http-rule-service.js";
import { seed } from "../../support/seed.js";

const text = fc.string({ unit: "binary" });
const int32 = fc.integer();
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
// JSON has no negative zero.
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const odd = fc.constantFrom("NaN", "Infinity", "-Infinity");
const bytes = fc.uint8Array({ maxLength: 8 }).map((value) => Buffer.from(value).toString("base64"));
const state = fc.constantFrom("STATE_NONE", "STATE_ON", "STATE_OFF");
const nanos = fc.constantFrom("", ".5", ".000001", ".123456789");
const timestamp = fc
  .tuple(
    fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }),
    nanos,
  )
  .map(([date, fraction]) => date.toISOString().replace(/\.\d+Z$/, `${fraction}Z`));
const duration = fc
  .tuple(fc.constantFrom("", "-"), fc.integer({ min: 1, max: 315576000000 }), nanos)
  .map(([sign, seconds, fraction]) => `${sign}${seconds}${fraction}s`);
const mask = fc
  .array(fc.constantFrom("name", "userName", "details.changeDate"), { minLength: 1, maxLength: 3 })
  .map((paths) => paths.join(","));
const json = fc.dictionary(
  text,
  // As it is once written, since JSON has no -0.
  fc
    .jsonValue({ noUnicodeString: false })
    .map((value) => JSON.parse(JSON.stringify(value)) as JsonValue),
  {
    maxKeys: 3,
  },
);

/** Types of fields that a query can carry, and the JSON of their values. */
const values: Record<string, fc.Arbitrary<JsonValue>> = {
  string: text,
  int32,
  int64,
  uint64,
  sint64: int64,
  fixed64: uint64,
  sfixed32: int32,
  bool: fc.boolean(),
  double: fc.oneof(double, odd),
  float: fc.oneof(float, odd),
  bytes,
  State: state,
  "google.protobuf.Timestamp": timestamp,
  "google.protobuf.Duration": duration,
  "google.protobuf.FieldMask": mask,
  "google.protobuf.Struct": json as fc.Arbitrary<JsonValue>,
  "google.protobuf.StringValue": text,
  "google.protobuf.BytesValue": bytes,
  "google.protobuf.BoolValue": fc.boolean(),
  "google.protobuf.Int64Value": int64,
  "google.protobuf.UInt64Value": uint64,
  "google.protobuf.DoubleValue": fc.oneof(double, odd),
  Nested: fc.record(
    {
      id: text,
      inner: fc.record({ id: text }),
      numbers: fc.array(int32, { maxLength: 3 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonValue>,
};
const scalars = ["int32", "int64", "uint64", "bool", "double", "bytes", "State", "optional int32"];

/** A segment of a path, the odd ones often. */
const segment = fc
  .oneof(
    text,
    fc
      .array(
        fc.constantFrom(
          "a",
          ".",
          "%",
          "%2e",
          "%2F",
          "\\",
          "?",
          "#",
          ":",
          "\0",
          "\n",
          " ",
          "ü",
          "😀",
        ),
        {
          maxLength: 4,
        },
      )
      .map((parts) => parts.join("")),
  )
  .filter((value) => value !== "" && value !== "." && value !== ".." && !value.includes("/"));

/** A string variable: what its template says, and values that match. */
const variable = fc.constantFrom<[string, fc.Arbitrary<string>]>(
  ["", segment],
  ["=*", segment],
  ["=things/*", segment.map((value) => `things/${value}`)],
  ["=a/*/b/*", fc.tuple(segment, segment).map(([first, second]) => `a/${first}/b/${second}`)],
  ["=**", fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"))],
  [
    "=things/**",
    fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `things/${parts.join("/")}`),
  ],
);

interface Case {
  fields: FieldSpecs;
  method: MethodSpec;
  json: JsonObject;
}

/** Any annotation over any fields, and a message that it can carry. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    types: fc.array(
      fc.tuple(
        fc.constantFrom("", "", "repeated ", "optional "),
        fc.constantFrom(...Object.keys(values)),
      ),
      { maxLength: 6 },
    ),
    variables: fc.array(variable, { maxLength: 2 }),
    scalar: fc.option(fc.constantFrom(...scalars), { nil: undefined }),
    nested: fc.boolean(),
    customVerb: fc.constantFrom("", ":undelete"),
    verb: fc.constantFrom("get", "put", "post", "delete", "patch") as fc.Arbitrary<"get">,
    body: fc.constantFrom("none", "*", "field", "map", "list"),
  })
  .chain(({ types, variables, scalar, nested, customVerb, verb, body }) => {
    const fields: FieldSpecs = {};
    const required: Record<string, fc.Arbitrary<JsonValue>> = {};
    const optional: Record<string, fc.Arbitrary<JsonValue>> = {};
    let template = "/v1";
    // One deep wildcard to a template.
    let deep = false;
    for (const [index, [pattern, value]] of variables.entries()) {
      const isDeep = pattern.endsWith("**");
      fields[`var_${index}`] = "string";
      required[`var${index}`] = isDeep && deep ? segment : value;
      template += `/{var_${index}${isDeep && deep ? "" : pattern}}/x`;
      deep ||= isDeep;
    }
    if (scalar !== undefined) {
      fields.number_0 = scalar;
      const value = values[scalar.replace("optional ", "")]!;
      // Empty bytes are an empty segment.
      required.number0 = scalar === "bytes" ? value.filter((data) => data !== "") : value;
      template += "/{number_0}";
    }
    if (nested) {
      fields.outer = "Nested";
      required.outer = fc.record(
        { id: segment, numbers: fc.array(int32, { maxLength: 2 }) },
        { requiredKeys: ["id"] },
      ) as fc.Arbitrary<JsonValue>;
      template += "/{outer.id}";
    }
    for (const [index, [label, type]] of types.entries()) {
      const repeated = label === "repeated " && type !== "Nested";
      const message = type.includes(".") || type === "Nested";
      fields[`field_${index}`] = repeated
        ? label + type
        : message
          ? type
          : label.replace("repeated ", "") + type;
      const value = values[type]!;
      optional[`field${index}`] = repeated
        ? (fc.array(value, { maxLength: 3 }) as fc.Arbitrary<JsonValue>)
        : value;
    }
    const map = fc.dictionary(text, text, { maxKeys: 2 }) as fc.Arbitrary<JsonValue>;
    const list = fc.array(values.Nested!, { maxLength: 2 }) as fc.Arbitrary<JsonValue>;
    fields.labels = "map";
    fields.list = "repeated Nested";
    const rule: MethodSpec = { [verb]: `${template}/end${customVerb}` };
    if (verb !== "get" && body !== "none") {
      const field = { field: "field_0", map: "labels", list: "list", "*": "*" }[body];
      if (field !== undefined && (field === "*" || field in fields)) {
        rule.body = field;
      }
      if (rule.body === "*" || rule.body === "labels") {
        optional.labels = map;
      }
      if (rule.body === "*" || rule.body === "list") {
        optional.list = list;
      }
    }
    return fc.record({
      fields: fc.constant(fields),
      method: fc.constant(rule),
      json: fc.record(
        { ...required, ...optional },
        { requiredKeys: Object.keys(required) },
      ) as fc.Arbitrary<JsonObject>,
    });
  });

function readBack(rpcs: readonly DescMethod[], { verb, target, body }: HttpRuleRequest) {
  // What a URL parser makes of it is what the server sees.
  const url = new URL(`http://localhost${target}`);
  const found = matchRequest(rpcs, verb, url.pathname) as HttpRuleMatch;
  expect(found).toBeTypeOf("object");
  const message = readRequest(
    found,
    url.searchParams,
    body === undefined ? undefined : (JSON.parse(body) as JsonValue),
  );
  return { rpc: found.binding.rpc, message };
}

function expectSame(rpc: DescMethod, actual: Message, expected: Message): void {
  // By their bytes, since NaN does not equal itself.
  if (Buffer.compare(toBinary(rpc.input, actual), toBinary(rpc.input, expected)) !== 0) {
    expect(toJson(rpc.input, actual)).toEqual(toJson(rpc.input, expected));
    expect.fail("the messages differ where JSON does not");
  }
}

describe("what the transport sends, the matcher reads back", () => {
  it(`as the same message, for any annotation and message (seed ${seed})`, () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ fields, method, json: given }, useProtoFieldName) => {
        const rpc = buildService(fields, [method]).methods[0]!;
        const message = fromJson(rpc.input, given);
        const request = buildRequest(rpc, message, { useProtoFieldName }, anyService);
        const read = readBack([rpc], request);
        expectSame(rpc, read.message, message);
      }),
      { seed, numRuns: 500 },
    );
  });

  it(`for any string in the path, or rejects it: never another route (seed ${seed})`, () => {
    const any = fc.oneof(
      segment,
      fc
        .array(fc.constantFrom("a", "b", "/", "..", ".", ":go", "%2F"), { maxLength: 5 })
        .map((parts) => parts.join("")),
      fc.string({ unit: fc.constantFrom("a", "/", ".", "\ud800", "\udfff") }),
    );
    const part = fc.constantFrom("a", "b", "{name}", "{parent}");
    const shape = fc
      .tuple(fc.uniqueArray(part, { minLength: 1, maxLength: 3 }), fc.constantFrom("", ":go"))
      .map(([parts, verb]) => `/${parts.join("/")}${verb}`);
    const shapes = fc.uniqueArray(shape, {
      minLength: 2,
      maxLength: 5,
      // Routes that differ in the names of their variables alone cannot be told apart by any server.
      selector: (path) => path.replace(/\{\w+\}/g, "*"),
    });
    let sent = 0;
    fc.assert(
      fc.property(shapes, any, any, (paths, name, parent) => {
        const { methods } = buildService(
          { name: "string", parent: "string" },
          paths.map((path) => ({ post: path, body: "*" })),
        );
        for (const rpc of methods) {
          const message = create(rpc.input, { name, parent } as Record<string, unknown>);
          let request: HttpRuleRequest;
          try {
            request = buildRequest(rpc, message, {}, anyService);
          } catch (error) {
            expect(error).toBeInstanceOf(ConnectError);
            expect((error as ConnectError).code).toBe(Code.InvalidArgument);
            continue;
          }
          // The body may hold what no string in UTF-8 can; the path is what counts here.
          const url = new URL(`http://localhost${request.target}`);
          const found = matchRequest(methods, "POST", url.pathname) as HttpRuleMatch;
          expect(found.binding.rpc.name).toBe(rpc.name);
          sent++;
        }
      }),
      { seed, numRuns: 500 },
    );
    expect(sent).toBeGreaterThan(100);
  });
});
