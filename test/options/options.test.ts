import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { createTransport as createGrpc } from "../../src/grpc.js";
import { createTransport as createGrpcWeb } from "../../src/grpc-web.js";
import { createTransport } from "../../src/index.js";
import { createTransport as createForWeb } from "../../src/index.web.js";

const baseUrl = "https://example.zitadel.cloud";

function refusal(options: unknown, create: (options: never) => unknown = createGrpcWeb): string {
  try {
    create(options as never);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message;
  }
  throw new Error(`accepted: ${inspect(options)}`);
}

describe("baseUrl", () => {
  it.each([
    [undefined, /absolute http or https URL.*got undefined/],
    ["", /absolute/],
    ["example.com", /absolute/],
    ["/api", /absolute/],
    ["ftp://example.com", /http or https/],
    [new URL(baseUrl), /got an object/],
    ["https://example.com?x=1", /without credentials, query/],
    ["https://example.com/?", /without credentials, query/],
    ["https://example.com/#a", /query or fragment/],
    ["http://example.com", /https.*cleartext.*allowInsecure/],
    ["http://10.0.0.1:8080", /https.*cleartext/],
    ["http://localhost.example.com", /https.*cleartext/],
    ["http://127.0.0.1.example.com", /https.*cleartext/],
  ])("%j is refused", (given, message) => {
    expect(refusal({ baseUrl: given })).toMatch(message);
  });

  it("with credentials is rejected without showing them", () => {
    const message = refusal({ baseUrl: "https://admin:hunter2@example.com" });
    expect(message).toMatch(/without credentials/);
    expect(message).not.toMatch(/hunter2|admin/);
    expect(refusal({ baseUrl: "htps//admin:hunter2@example.com" })).not.toMatch(/hunter2/);
  });

  it.each([
    "http://localhost:8080",
    "http://127.0.0.1:1",
    "http://127.9.8.7",
    "http://[::1]:8080",
    "https://example.com/prefix/",
  ])("%s is accepted", (given) => {
    expect(() => createGrpcWeb({ baseUrl: given })).not.toThrow();
  });

  it("over plain HTTP under localhost is loopback in browsers alone: others ask DNS for the name", () => {
    const options = { baseUrl: "http://zitadel.localhost" };
    expect(refusal(options)).toMatch(/must be https/);
    vi.stubGlobal("document", {});
    expect(refusal(options)).toMatch(/must be https/);
    vi.stubGlobal("process", undefined);
    expect(() => createGrpcWeb(options)).not.toThrow();
  });

  it("over plain HTTP to another machine is accepted with allowInsecure", () => {
    expect(() =>
      createGrpcWeb({ baseUrl: "http://zitadel.internal", allowInsecure: true }),
    ).not.toThrow();
  });
});

describe("token and orgId", () => {
  it.each(["token", "orgId"])(
    "%s that cannot be a header value is rejected without being shown",
    (name) => {
      for (const [value, problem] of [
        ["secret-1\n", /a string of 9 characters with a line break at position 9/],
        ["Bearer secret-1", /a space at position 7/],
        ["secret-1\u0000", /a character outside of visible ASCII/],
        ["secret-1\u00e9", /outside of visible ASCII/],
        ["", /an empty string/],
        [["secret-1"], /an array/],
        [null, /null/],
      ] as const) {
        const message = refusal({ baseUrl, [name]: value });
        expect(message).toMatch(problem);
        expect(message).toContain(name);
        expect(message).not.toContain("secret-1");
      }
    },
  );
});

describe("other options", () => {
  it.each([
    [
      { defaultTimeoutMs: Number.NaN },
      /defaultTimeoutMs must be a whole number of milliseconds from 0 to 2147483647; got NaN/,
    ],
    [{ defaultTimeoutMs: -1 }, /got -1/],
    [{ defaultTimeoutMs: 2 ** 31 }, /got 2147483648/],
    [{ defaultTimeoutMs: "30s" }, /got "30s"/],
    [{ readMaxBytes: 0 }, /from 1 to 4294967295/],
    [{ interceptors: [1] }, /array of interceptors/],
    [{ allowInsecure: "yes" }, /true or false/],
    [{ fetch: 1 }, /fetch must be a function/],
    [{ instanceHost: "https://example.com" }, /host name/],
    [{ instanceHost: "example.com\r\nx: y" }, /host name/],
  ])("%j is refused", (options, message) => {
    expect(refusal({ baseUrl, ...options })).toMatch(message);
  });

  it("that is undefined counts as not given", () => {
    expect(() =>
      createGrpcWeb({ baseUrl, token: undefined, orgId: undefined, fetch: undefined }),
    ).not.toThrow();
    expect(() => createTransport({ baseUrl, fetch: undefined })).not.toThrow();
  });

  it.each([
    ["orgID", "orgId"],
    ["organizationId", "orgId"],
    ["tokne", "token"],
    ["accessToken", "token"],
    ["url", "baseUrl"],
    ["host", "instanceHost"],
    ["timeout", "defaultTimeoutMs"],
    ["timeoutMs", "defaultTimeoutMs"],
    ["defaultTimeout", "defaultTimeoutMs"],
    ["interceptor", "interceptors"],
    ["retries", "retry"],
  ])("with the unknown name %s is rejected with %s, the nearest known one", (name, known) => {
    for (const create of [createGrpc, createGrpcWeb]) {
      const message = refusal({ baseUrl, [name]: "1" }, create);
      expect(message).toContain(`unknown option "${name}"; did you mean ${known}?`);
    }
  });

  it("with an unknown name unlike any other is rejected with all known names", () => {
    expect(refusal({ baseUrl, zzz: "1" })).toMatch(
      /unknown option "zzz"\. Known are: baseUrl, token/,
    );
    expect(refusal(JSON.parse(`{"baseUrl":"${baseUrl}","__proto__":{"token":"x"}}`))).toMatch(
      /unknown option/,
    );
    expect(refusal({ baseUrl, constructor: 1 })).toMatch(/unknown option/);
  });

  it("of the other build is rejected with the entry that supports it", () => {
    expect(refusal({ baseUrl, fetch }, createTransport)).toMatch(/zitadel-user-grants\/grpc-web/);
    expect(refusal({ baseUrl, fetch }, createGrpc)).toMatch(/zitadel-user-grants\/grpc-web/);
    expect(refusal({ baseUrl, nodeOptions: { ca: "x" } }, createForWeb)).toMatch(
      /zitadel-user-grants\/grpc:/,
    );
    expect(refusal({ baseUrl, pingIntervalMs: 1 }, createForWeb)).toMatch(
      /zitadel-user-grants\/grpc:/,
    );
    for (const create of [createGrpc, createGrpcWeb, createTransport, createForWeb]) {
      expect(refusal({ baseUrl, pathPrefixes: {} }, create)).toMatch(/zitadel-user-grants\/json:/);
    }
  });

  it.each([undefined, null, "https://example.com", 1])(
    "%j instead of options is rejected",
    (options) => {
      expect(refusal(options)).toMatch(/options must be an object|baseUrl/);
    },
  );
});

describe("instanceHost in a web page", () => {
  it("is rejected, since the preflight would fail", () => {
    vi.stubGlobal("document", {});
    expect(refusal({ baseUrl, instanceHost: "example.com" })).toMatch(/CORS/);
  });
});
