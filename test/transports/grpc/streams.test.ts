import { once } from "node:events";
import { Code, createClient, type Transport } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { close, type GrpcOptions } from "../../../src/grpc.js";
import { ConformanceService } from "../../conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { startProxy, startSecureServer } from "../../networks/servers.js";
import { makeCertificate } from "../../support/certificates.js";
import { respond, startGrpcServer } from "../../support/grpc-server.js";
import { createTransport, failureOf } from "../../support/protocols.js";
import { type RelayOptions, startRelay } from "../../support/relay.js";
import { openStream, startRouter } from "../../support/stream-server.js";

const transportFor = (options: GrpcOptions) => createTransport("grpc", options);

async function relayTo(targetPort: number, options?: RelayOptions) {
  const relay = await startRelay(targetPort, options);
  onTestFinished(relay.shut);
  return relay;
}
/** A connection that is made, and on which nothing passes. */
const holdConnection = () => relayTo(1, { held: new Promise(() => undefined) });

const authority = makeCertificate({ name: "Private CA", isAuthority: true });
const ca = authority.cert;
const certificate = makeCertificate({
  name: "zitadel.internal",
  issuer: authority,
  dnsNames: ["zitadel.internal", "localhost"],
  addresses: ["127.0.0.1"],
});

const utf8 = (value: string) => new TextEncoder().encode(value);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

describe("Connect's router serves", () => {
  const start = () =>
    startRouter("grpc", {
      unary: () => ({ payload: { data: utf8("unary") } }),
      async *serverStream({ responseDefinition }) {
        for (const data of responseDefinition?.responseData ?? []) {
          yield { payload: { data } };
        }
      },
      async clientStream(requests) {
        const texts: string[] = [];
        for await (const { requestData } of requests) {
          texts.push(text(requestData));
        }
        return { payload: { data: utf8(texts.join("+")) } };
      },
      async *bidiStream(requests) {
        for await (const { requestData } of requests) {
          yield { payload: { data: utf8(`${text(requestData)}!`) } };
        }
      },
    });
  const connect = async () =>
    createClient(ConformanceService, transportFor({ baseUrl: await start() }));

  it("a unary method", async () => {
    const { payload } = await (await connect()).unary({});
    expect(text(payload?.data)).toBe("unary");
  });

  it("a server stream", async () => {
    const client = await connect();
    const received: string[] = [];
    const responseDefinition = { responseData: [utf8("a"), utf8("b")] };
    for await (const { payload } of client.serverStream({ responseDefinition })) {
      received.push(text(payload?.data));
    }
    expect(received).toEqual(["a", "b"]);
  });

  it("a client stream", async () => {
    async function* requests() {
      yield { requestData: utf8("a") };
      yield { requestData: utf8("b") };
    }
    const { payload } = await (await connect()).clientStream(requests());
    expect(text(payload?.data)).toBe("a+b");
  });

  it("a stream in both directions, each request after the response to the one before", async () => {
    const client = await connect();
    const received: string[] = [];
    let goOn: () => void = () => undefined;
    async function* requests() {
      for (const name of ["a", "b", "c"]) {
        const response = new Promise<void>((resolve) => {
          goOn = resolve;
        });
        yield { requestData: utf8(name) };
        await response;
      }
    }
    for await (const { payload } of client.bidiStream(requests())) {
      received.push(text(payload?.data));
      goOn();
    }
    expect(received).toEqual(["a!", "b!", "c!"]);
  });
});

const portOf = ({ baseUrl }: { baseUrl: string }) => Number(new URL(baseUrl).port);

/** Many streams, none of which gets a connection or its turn before it expires. */
async function expectExpiry(transport: Transport) {
  const streams = Array.from({ length: 50 }, () => failureOf(openStream(transport, 20)));
  for (const { code } of await Promise.all(streams)) {
    expect(Code[code]).toBe("DeadlineExceeded");
  }
}

describe("a stream", () => {
  it("allows the server one second more than it has itself", async () => {
    const { baseUrl, calls } = await startGrpcServer(({ stream }) => respond(stream, {}));
    await openStream(transportFor({ baseUrl }), 4_000);
    expect(calls[0]?.header["grpc-timeout"]).toBe("5000m");
  });

  it("names the host without a port that is the default", async () => {
    const { port, requests } = await startSecureServer(certificate);
    const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port }) });
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    const transport = transportFor({ baseUrl: "https://zitadel.internal", nodeOptions: { ca } });
    await openStream(transport);
    expect(proxy.connects.map(({ target }) => target)).toEqual(["zitadel.internal:443"]);
    expect(requests.map(({ authority }) => authority)).toEqual(["zitadel.internal"]);
  });

  it("names the option to set when the server's certificate is not trusted", async () => {
    const { port } = await startSecureServer(certificate);
    const error = await failureOf(
      openStream(transportFor({ baseUrl: `https://localhost:${port}` })),
    );
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/certificate.*nodeOptions\.ca/s);
  });

  it("names an unreachable proxy", async () => {
    vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:1");
    const error = await failureOf(
      openStream(transportFor({ baseUrl: "https://zitadel.internal" })),
    );
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toContain("the proxy 127.0.0.1:1 cannot be reached");
  });

  it.each([
    ["without headers", false],
    ["that has begun", true],
  ])(
    "%s fails with Unavailable when a PING is not acknowledged, and with Canceled when the client is closed",
    async (_, begins) => {
      let onStream = () => {};
      const server = await startGrpcServer(({ stream }) => {
        if (begins) {
          stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
          stream.write(Buffer.alloc(5));
        } else {
          onStream();
        }
      });
      const relay = await relayTo(portOf(server));
      const { baseUrl } = relay;
      const transport = transportFor({ baseUrl, pingIntervalMs: 100, pingTimeoutMs: 100 });
      const readUntil = async (interfere: () => void) => {
        onStream = interfere;
        for await (const _ of (await openStream(transport)).message) {
          interfere();
        }
      };
      expect((await failureOf(readUntil(() => relay.freeze()))).code).toBe(Code.Unavailable);
      expect((await failureOf(readUntil(() => close(transport)))).code).toBe(Code.Canceled);
    },
  );

  it("without a connection fails with Canceled when the client is closed, and later ones as well", async () => {
    const { port } = await holdConnection();
    const transport = transportFor({ baseUrl: `https://127.0.0.1:${port}` });
    const call = openStream(transport);
    close(transport);
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await expect(openStream(transport)).rejects.toMatchObject({ code: Code.Canceled });
  });

  it("that expires while its server accepts no more streams is never opened", async () => {
    const { server, baseUrl, calls } = await startGrpcServer(({ stream }) => respond(stream, {}));
    server.updateSettings({ maxConcurrentStreams: 0 });
    const session = once(server, "session");
    const transport = transportFor({ baseUrl });
    await expectExpiry(transport);
    const [open] = await session;
    open.settings({ maxConcurrentStreams: 9 });
    await openStream(transport);
    expect(calls).toHaveLength(1);
  });

  it("that expires before there is a connection is never opened", async () => {
    const secure = await startSecureServer(certificate);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { port } = await relayTo(secure.port, { held });
    const transport = transportFor({
      baseUrl: `https://127.0.0.1:${port}`,
      nodeOptions: { ca },
    });
    await expectExpiry(transport);
    release();
    await openStream(transport);
    expect(secure.requests).toHaveLength(1);
  });

  it("whose connection is not made in time fails with Unavailable", async () => {
    const { port } = await holdConnection();
    const transport = transportFor({
      baseUrl: `https://127.0.0.1:${port}`,
      connectTimeoutMs: 20,
    });
    await expect(openStream(transport)).rejects.toMatchObject({
      code: Code.Unavailable,
      message: expect.stringContaining("within 20 ms"),
    });
  });

  it("whose response is truncated within a message fails with Internal", async () => {
    const { baseUrl } = await startGrpcServer(({ stream }) =>
      respond(stream, { body: Buffer.from([0, 0, 0, 0, 9, 1]) }),
    );
    const { message } = await openStream(transportFor({ baseUrl }));
    await expect(message[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: Code.Internal,
    });
  });

  it("has no limit when its timeout exceeds the limit of timers", async () => {
    const { baseUrl } = await startGrpcServer(({ stream }) => respond(stream, {}));
    await expect(openStream(transportFor({ baseUrl }), 2 ** 40)).resolves.toBeDefined();
  });
});
