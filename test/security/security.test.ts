import { inspect } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { close, createManagementClient as createGrpcClient } from "../../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { type Exchange, finish, respondWell } from "../faults/exchange.js";
import { startHttp1Wire } from "../faults/http1-wire.js";
import { startHttp2Wire } from "../faults/http2-wire.js";

const token = "t0ken-that-nobody-may-see";
const clients = {
  grpc: createGrpcClient,
  "grpc-web": createGrpcWebClient,
  json: createJsonClient,
} as const;

const hostile = [
  "1\r\nx-injected: yes",
  "1\nx-injected: yes",
  "1\r\n\r\nGET /other HTTP/1.1\r\nhost: other\r\n\r\n",
  "1\u0000",
  "1 2",
  "ä",
  "",
];

async function failure(call: () => Promise<unknown>): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("the call succeeded");
}

/** Everything about an error that a log may show. */
function shown(error: unknown): string {
  return [
    inspect(error, { depth: 20, showHidden: true, getters: true }),
    String(error),
    JSON.stringify(error, (_, value) =>
      value instanceof Error ? { ...value, m: value.message } : value,
    ),
    error instanceof Error ? error.stack : "",
  ].join("\n");
}

describe.each(["grpc", "grpc-web", "json"] as const)("over %s", (protocol) => {
  async function start(respond: (exchange: Exchange) => void = respondWell) {
    const paths: string[] = [];
    const options = {
      respond: (exchange: Exchange) => {
        paths.push(exchange.path);
        respond(exchange);
      },
    };
    const server = await (protocol === "grpc"
      ? startHttp2Wire(options)
      : startHttp1Wire(protocol, options));
    const baseUrl = `http://127.0.0.1:${server.port}`;
    const create = (extra: object = {}) => clients[protocol]({ baseUrl, token, ...extra } as never);
    return { server, paths, baseUrl, create };
  }

  it.each(hostile)("the organization %j goes into no header", async (orgId) => {
    const { server, create } = await start();
    expect(() => create({ orgId })).toThrow(TypeError);
    await server.close();
  });

  it.each(hostile)("the token %j goes into no header, and into no error", async (hostileToken) => {
    const { server, create } = await start();
    const secret = `${token}${hostileToken}`;
    if (hostileToken !== "") {
      let refusal: unknown;
      try {
        create({ token: secret });
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toBeInstanceOf(TypeError);
      expect(shown(refusal)).not.toContain(token);
      const client = create({ token: () => secret });
      const error = await failure(() => client.bulkRemoveUserGrant({ grantId: ["1"] }));
      expect((error as ConnectError).code).toBe(Code.Unauthenticated);
      expect(shown(error)).not.toContain(token);
      close(client);
    }
    expect(server.requests).toBe(0);
    await server.close();
  });

  it.each(["a\r\nx-injected: yes", "a\nb", "a\u0000b"])(
    "a header of a call with %j is rejected before anything is sent",
    async (value) => {
      const { server, create } = await start();
      const client = create();
      await failure(() =>
        client.bulkRemoveUserGrant({ grantId: ["1"] }, { headers: { "x-custom": value } }),
      );
      expect(server.requests).toBe(0);
      close(client);
      await server.close();
    },
  );

  it.each([
    "../../../admin/v1/orgs/1",
    "1/../../orgs",
    "1?x=y",
    "1#fragment",
    "1%2f..",
    "..",
    ".",
    "1\r\nhost: other",
    "1 HTTP/1.1\r\nx: y\r\n\r\nDELETE /management/v1/orgs/me HTTP/1.1",
    "\\..\\..",
    "//other.example.com/",
    "@other.example.com",
    "_deactivate:x",
    "ﬀ/．．/",
  ])("the id %j leads to no other path", async (id) => {
    const { server, paths, create } = await start();
    const client = create();
    const outcome = await client.deactivateUserGrant({ userId: id, grantId: id }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(outcome === undefined || outcome instanceof ConnectError).toBe(true);
    for (const path of paths.filter((one) => one !== "")) {
      if (protocol === "json") {
        expect(path).toMatch(/^\/management\/v1\/users\/[^/?#]+\/grants\/[^/?#]+\/_deactivate$/);
        const [, user = ""] = /users\/([^/]+)\//.exec(path) ?? [];
        expect(decodeURIComponent(user)).toBe(id);
        expect(new URL(path, "http://host").pathname).toBe(path);
      } else {
        expect(path).toBe("/zitadel.management.v1.ManagementService/DeactivateUserGrant");
      }
    }
    expect(paths.length).toBeLessThanOrEqual(1);
    close(client);
    await server.close();
  });

  it.each([301, 302, 303, 307, 308])("a redirect with HTTP %i carries no token", async (status) => {
    const other = await startHttp1Wire("json", { respond: respondWell });
    const { server, create } = await start((exchange) => {
      exchange.head({ location: `http://127.0.0.1:${other.port}/` }, status);
      exchange.end();
    });
    const client = create();
    const error = await failure(() => client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(other.requests).toBe(0);
    expect(shown(error)).not.toContain(token);
    close(client);
    await server.close();
    await other.close();
  });

  it("a server that echoes the token has it masked in the error", async () => {
    const { server, create } = await start((exchange) => {
      exchange.head({ "content-type": "text/plain" }, 403);
      exchange.body(`You sent: authorization: Bearer ${token} <- is that yours?`);
      exchange.end();
    });
    const client = create();
    const error = await failure(() => client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(error.message).toMatch(/You sent/);
    expect(shown(error)).not.toContain(token);
    close(client);
    await server.close();
  });

  it("a response with __proto__ and constructor changes no prototype", async () => {
    const body =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"details":{"sequence":"5","__proto__":{"polluted":1}}}';
    const { server, create } = await start((exchange) => {
      if (protocol === "json") {
        exchange.head();
        exchange.body(body);
        exchange.end();
      } else {
        exchange.head({ __proto__: "polluted", constructor: "x" } as never);
        finish(exchange, { "grpc-status": "5", "grpc-message": "x", constructor: "1" });
      }
    });
    const client = create();
    await client.deactivateUserGrant({ userId: "1", grantId: "2" }).catch(() => undefined);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    close(client);
    await server.close();
  });
});

describe("options", () => {
  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "named %s are rejected like any other unknown one",
    (name) => {
      const options = JSON.parse(`{"baseUrl":"https://example.com","${name}":{"polluted":1}}`);
      expect(() => createGrpcWebClient(options)).toThrow(/unknown option/);
      const retry = JSON.parse(`{"${name}":1}`);
      expect(() => createGrpcWebClient({ baseUrl: "https://example.com", retry })).toThrow(
        /unknown option/,
      );
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    },
  );

  it("on Object.prototype are ignored", () => {
    const prototype = Object.prototype as { allowInsecure?: boolean };
    prototype.allowInsecure = true;
    try {
      expect(() => createGrpcWebClient({ baseUrl: "http://example.com" })).toThrow(/https/);
    } finally {
      delete prototype.allowInsecure;
    }
  });

  it.each([
    ["http://example.com", /https/],
    ["https://user:t0ken-that-nobody-may-see@example.com", /without credentials/],
    ["https://user:t0ken-that-nobody-may-see%40example.com", /without credentials/],
  ])("baseUrl %s is rejected without showing a secret", (baseUrl, message) => {
    let refusal: unknown;
    try {
      createGrpcWebClient({ baseUrl });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(TypeError);
    expect((refusal as Error).message).toMatch(message);
    expect(shown(refusal)).not.toContain(token);
  });
});

it.each([createGrpcClient, createGrpcWebClient, createJsonClient])(
  "an instanceHost with a password is rejected without showing it",
  (create) => {
    const instanceHost = `https://user:${token}@example.com`;
    expect(() => create({ baseUrl: "https://example.com", instanceHost })).toThrow(
      /^instanceHost must be a host name.*; got another value$/,
    );
  },
);

describe("a client", () => {
  it.each(["grpc", "grpc-web", "json"] as const)(
    "over %s shows no token when it is logged",
    (protocol) => {
      const client = clients[protocol]({ baseUrl: "https://example.com", token });
      expect(inspect(client, { depth: 20, showHidden: true, getters: true })).not.toContain(token);
      expect(JSON.stringify(client)).not.toContain(token);
      close(client);
    },
  );
});
