import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { inspect } from "node:util";
import { Code, createClient } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { mayHaveBeenApplied } from "../../src/errors/certainty.js";
import { close, ManagementService } from "../../src/grpc.js";
import { proxyFor } from "../../src/transports/grpc/proxy.js";
import { respondWell } from "../faults/exchange.js";
import { makeCertificate } from "../support/certificates.js";
import { failureOf, protocols, startWire } from "../support/protocols.js";
import { connect, deactivate } from "./clients.js";
import { startProxy, startSecureServer } from "./servers.js";

const authority = makeCertificate({ name: "Private CA", isAuthority: true });
const certificate = makeCertificate({
  name: "zitadel.internal",
  issuer: authority,
  dnsNames: ["zitadel.internal", "localhost"],
});
const ca = authority.cert;

describe.each(protocols)("over %s", (protocol) => {
  it("HTTPS_PROXY carries the calls, and resolves the name", async () => {
    const server = await startSecureServer(certificate);
    const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port: server.port }) });
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    const transport = connect(protocol, "https://zitadel.internal", { ca });
    expect(await deactivate(transport)).toBe(5n);
    expect(await deactivate(transport)).toBe(5n);
    expect(proxy.connects).toEqual([{ target: "zitadel.internal:443", authorization: undefined }]);
    expect(server.requests.map(({ authority }) => authority?.replace(":443", ""))).toEqual([
      "zitadel.internal",
      "zitadel.internal",
    ]);
  });

  it("any response of 2xx opens the tunnel, and a % in a password that begins no escape is one", async () => {
    const server = await startSecureServer(certificate);
    const resolve = () => ({ host: "127.0.0.1", port: server.port });
    const proxy = await startProxy({ accept: "204 Connected", resolve });
    vi.stubEnv("HTTPS_PROXY", proxy.url.replace("//", "//user:100%sure%40@"));
    const transport = connect(protocol, "https://zitadel.internal", { ca });
    expect(await deactivate(transport)).toBe(5n);
    const [{ authorization = "" } = {}] = proxy.connects;
    expect(authorization).toBe(`Basic ${Buffer.from("user:100%sure@").toString("base64")}`);
  });

  it("closing the client ends the tunnel", async () => {
    const server = await startSecureServer(certificate);
    const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port: server.port }) });
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    const transport = connect(protocol, "https://zitadel.internal", { ca });
    await deactivate(transport);
    close(transport);
    if (protocol === "grpc") {
      await vi.waitUntil(() => proxy.open() === 0, { interval: 1 });
    }
  });

  it("NO_PROXY leaves it out", async () => {
    const server = await startSecureServer(certificate);
    const proxy = await startProxy();
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    vi.stubEnv("NO_PROXY", "example.com, localhost");
    const transport = connect(protocol, `https://localhost:${server.port}`, { ca });
    expect(await deactivate(transport)).toBe(5n);
    expect(proxy.connects).toEqual([]);
  });

  it("its credentials are sent only to the proxy, and appear in no error", async () => {
    const proxy = await startProxy({ refuse: 407 });
    vi.stubEnv("HTTPS_PROXY", proxy.url.replace("//", "//user:p%40ss@"));
    const error = await failureOf(deactivate(connect(protocol, "https://zitadel.internal")));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/proxy 127\.0\.0\.1:\d+ responded to CONNECT.*407.*credentials/s);
    expect(mayHaveBeenApplied(error)).toBe(false);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/p@ss|p%40ss|dXNlcj/);
    expect(proxy.connects[0]?.authorization).toBe(
      `Basic ${Buffer.from("user:p@ss").toString("base64")}`,
    );
  });

  it("an unreachable proxy is named", async () => {
    vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:1");
    const error = await failureOf(deactivate(connect(protocol, "https://zitadel.internal")));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/the proxy 127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
  });

  it.each(["a socket", "the promise of one", "a connection with TLS"])(
    "createConnection that returns %s takes the place of the proxy",
    async (what) => {
      const server = await startSecureServer(certificate);
      vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:1");
      const open = () => connectTcp(server.port, "127.0.0.1");
      let connections = 0;
      const transport = connect(protocol, "https://zitadel.internal", {
        ca,
        createConnection: (_: URL, options: object) => {
          connections += 1;
          return what === "a socket"
            ? open()
            : what === "the promise of one"
              ? Promise.resolve(open())
              : connectTls({ ...options, socket: open() });
        },
      });
      expect(await deactivate(transport)).toBe(5n);
      expect(connections).toBe(1);
    },
  );

  it("createConnection that fails is a failure of the call, which sent nothing", async () => {
    const transport = connect(protocol, "https://zitadel.internal", {
      createConnection: () => {
        throw new Error("no SOCKS today");
      },
    });
    const error = await failureOf(deactivate(transport));
    expect(error).toMatchObject({
      code: Code.Unavailable,
      message: expect.stringContaining("no SOCKS today"),
    });
    expect(mayHaveBeenApplied(error)).toBe(false);
  });

  it("a deadline settles a call that hangs in the proxy", async () => {
    const hanging = await startWire("grpc", respondWell, { connection: () => true });
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${hanging.port}`);
    const transport = connect(protocol, "https://zitadel.internal");
    const client = createClient(ManagementService, transport);
    const call = client.deactivateUserGrant({ userId: "1", grantId: "2" }, { timeoutMs: 100 });
    expect((await failureOf(call)).code).toBe(Code.DeadlineExceeded);
  });
});

it("HTTP_PROXY carries cleartext HTTP/2 to other machines", async () => {
  const server = await startWire("grpc", respondWell);
  const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port: server.port }) });
  vi.stubEnv("HTTP_PROXY", proxy.url);
  const transport = connect("grpc", "http://zitadel.internal:8080");
  expect(await deactivate(transport)).toBe(5n);
  expect(proxy.connects).toMatchObject([{ target: "zitadel.internal:8080" }]);
});

describe("the proxy of an address", () => {
  const https = { HTTPS_PROXY: "http://p:1" };
  it.each([
    ["https://a.b", https, "http://p:1/"],
    ["https://a.b", { https_proxy: "p:1" }, "http://p:1/"],
    ["https://a.b", { https_proxy: "http://low:1", HTTPS_PROXY: "http://up:1" }, "http://low:1/"],
    ["https://a.b", { HTTP_PROXY: "http://p:1" }, undefined],
    ["https://a.b", { HTTPS_PROXY: "" }, undefined],
    ["https://localhost", https, "http://p:1/"],
    ["http://localhost:8080", { HTTP_PROXY: "http://p:1" }, undefined],
    ["http://a.b", { HTTP_PROXY: "http://p:1" }, "http://p:1/"],
    ["https://a.b", { ...https, NO_PROXY: "*" }, undefined],
    ["https://a.b", { ...https, NO_PROXY: "a.b" }, undefined],
    ["https://A.B", { ...https, NO_PROXY: "x, a.B" }, undefined],
    ["https://c.a.b", { ...https, NO_PROXY: "a.b" }, undefined],
    ["https://c.a.b", { ...https, NO_PROXY: ".a.b" }, undefined],
    ["https://c.a.b", { ...https, NO_PROXY: "*.a.b" }, undefined],
    ["https://xa.b", { ...https, NO_PROXY: "a.b" }, "http://p:1/"],
    ["https://a.b", { ...https, NO_PROXY: "a.b:443" }, undefined],
    ["https://a.b:8443", { ...https, NO_PROXY: "a.b:443" }, "http://p:1/"],
    ["https://10.1.2.3", { ...https, NO_PROXY: "10.0.0.0/8" }, undefined],
    ["https://11.1.2.3", { ...https, NO_PROXY: "10.0.0.0/8" }, "http://p:1/"],
    ["https://10.1.2.3", { ...https, NO_PROXY: "10.1.2.3" }, undefined],
    ["https://[::1]:8443", { ...https, NO_PROXY: "::1" }, undefined],
    ["https://[::1]:8443", { ...https, NO_PROXY: "[::1]:8443" }, undefined],
    ["https://[fd00::1]", { ...https, NO_PROXY: "fd00::/8" }, undefined],
    ["https://a.b", { ...https, NO_PROXY: ", ,10.0.0.0/99,///" }, "http://p:1/"],
  ])("%s with %j is %s", (origin, environment, expected) => {
    expect(proxyFor(new URL(origin), environment)?.href).toBe(expected);
  });

  it.each(["socks5://user:secret@p:1", "http://", "://secret"])(
    "%s is rejected without being shown",
    (value) => {
      const refuse = () => proxyFor(new URL("https://a.b"), { HTTPS_PROXY: value });
      expect(refuse).toThrow(/^HTTPS_PROXY must be the http or https URL of a proxy/);
      expect(refuse).not.toThrow(/secret@/);
    },
  );
});
