import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { mayHaveBeenApplied } from "../../src/grpc.js";
import { makeCertificate } from "../support/certificates.js";
import { listenForTest, startHttpServer } from "../support/http-server.js";
import { failureOf, protocols } from "../support/protocols.js";
import { type Relay, startRelay } from "../support/relay.js";
import { connect, deactivate } from "./clients.js";
import { startSecureServer } from "./servers.js";

const authority = makeCertificate({ name: "Private CA", isAuthority: true });
const names = { dnsNames: ["localhost", "zitadel.internal"], addresses: ["127.0.0.1"] };
const trusted = makeCertificate({ name: "localhost", issuer: authority, ...names });
const ca = authority.cert;

describe.each(protocols)("over %s", (protocol) => {
  it("a private certificate authority is trusted if configured", async () => {
    const { port } = await startSecureServer(trusted);
    const transport = connect(protocol, `https://localhost:${port}`, { ca });
    expect(await deactivate(transport)).toBe(5n);
  });

  it("an unknown authority is rejected, with the option to set", async () => {
    const { port, requests } = await startSecureServer(trusted);
    const error = await failureOf(deactivate(connect(protocol, `https://localhost:${port}`)));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/certificate.*nodeOptions\.ca.*NODE_EXTRA_CA_CERTS/s);
    expect(requests).toEqual([]);
  });

  it("a self-signed certificate is rejected, with the option to set", async () => {
    const { port } = await startSecureServer(makeCertificate({ name: "localhost", ...names }));
    const error = await failureOf(deactivate(connect(protocol, `https://localhost:${port}`)));
    expect(error.message).toMatch(/self-signed.*nodeOptions\.ca/s);
  });

  it("an expired certificate is rejected as expired", async () => {
    const expired = { notAfter: new Date(Date.now() - 3_600_000) };
    const certificate = { name: "localhost", issuer: authority, ...names, ...expired };
    const { port } = await startSecureServer(makeCertificate(certificate));
    const transport = connect(protocol, `https://localhost:${port}`, { ca });
    expect((await failureOf(deactivate(transport))).message).toMatch(/expired.*renewed/s);
  });

  it("a certificate from tomorrow is rejected, with the clock as a likely cause", async () => {
    const early = { notBefore: new Date(Date.now() + 3_600_000) };
    const certificate = { name: "localhost", issuer: authority, ...names, ...early };
    const { port } = await startSecureServer(makeCertificate(certificate));
    const transport = connect(protocol, `https://localhost:${port}`, { ca });
    expect((await failureOf(deactivate(transport))).message).toMatch(/not yet valid.*clock/s);
  });

  it("a certificate for another name is rejected, with the option to set", async () => {
    const other = { name: "other", issuer: authority, dnsNames: ["other.example.com"] };
    const { port } = await startSecureServer(makeCertificate(other));
    const transport = connect(protocol, `https://localhost:${port}`, { ca });
    const error = await failureOf(deactivate(transport));
    expect(error.message).toMatch(/other\.example\.com.*nodeOptions\.servername/s);
  });

  it("a server name replaces the host, also in what the request names", async () => {
    const internal = { name: "x", issuer: authority, dnsNames: ["zitadel.internal"] };
    const { port, requests } = await startSecureServer(makeCertificate(internal));
    const nodeOptions = { ca, servername: "zitadel.internal" };
    const transport = connect(protocol, `https://127.0.0.1:${port}`, nodeOptions);
    expect(await deactivate(transport)).toBe(5n);
    expect(requests[0]?.authority).toBe(`zitadel.internal:${port}`);
  });

  it("a client certificate is sent", async () => {
    const own = makeCertificate({ name: "client", issuer: authority });
    const server = { ...trusted, ca, requestCert: true, rejectUnauthorized: true };
    const { port } = await startSecureServer(server);
    const nodeOptions = { ca, cert: own.cert, key: own.key };
    const transport = connect(protocol, `https://localhost:${port}`, nodeOptions);
    expect(await deactivate(transport)).toBe(5n);
  });

  it("a missing client certificate is named", async () => {
    const server = { ...trusted, ca, requestCert: true, rejectUnauthorized: true };
    const { port } = await startSecureServer(server);
    const transport = connect(protocol, `https://localhost:${port}`, { ca });
    const error = await failureOf(deactivate(transport));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/client certificate.*nodeOptions\.cert/s);
    expect(mayHaveBeenApplied(error)).toBe(false);
  });

  it("https on a port without TLS is named", async () => {
    const { baseUrl } = await startHttpServer((_, response) => response.end());
    const transport = connect(protocol, baseUrl.replace("http:", "https:"), { ca });
    const error = await failureOf(deactivate(transport));
    expect(error.message).toMatch(/does not speak TLS/);
    expect(mayHaveBeenApplied(error)).toBe(false);
  });

  it("a session that breaks when the request was sent leaves it open", async () => {
    const server = createSecureServer({ ...trusted, allowHTTP1: true });
    let relay: Relay | undefined;
    server.on("request", () =>
      relay?.sockets()[0]?.end("HTTP/1.1 408 Request Timeout\r\n\r\n".repeat(9)),
    );
    relay = await startRelay(await listenForTest(server), {
      onResponse: (chunk, near) => near.writable && near.write(chunk),
    });
    onTestFinished(relay.shut);
    const baseUrl = relay.baseUrl.replace("http:", "https:");
    const error = await failureOf(deactivate(connect(protocol, baseUrl, { ca })));
    expect(error.code).toBe(Code.Unavailable);
    expect(mayHaveBeenApplied(error)).toBe(true);
  });
});

it("gRPC on a server with only HTTP/1.1 fails with the requirement", async () => {
  const server = createHttpsServer({ ...trusted, ALPNProtocols: ["http/1.1"] });
  const port = await listenForTest(server);
  const transport = connect("grpc", `https://localhost:${port}`, { ca });
  expect((await failureOf(deactivate(transport))).message).toMatch(/HTTP\/2/);
});
