import { createServer } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { serviceUser } from "../../src/auth/index.js";
import { close, createFetch, createManagementClient as createGrpcClient } from "../../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { serviceUserKey } from "../auth/keys.js";
import { echoes, expectNoSecret, shown, token } from "./shown.js";

const password = "pr0xy-p4ssword/of+the=company";

/** A proxy that responds to CONNECT with bytes of a test's choosing, which may repeat what it was sent. */
async function startProxy(respond: (request: string) => string): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (bytes) => socket.end(respond(bytes.toString("latin1"))));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  process.env.HTTPS_PROXY = `http://user:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  onTestFinished(() => {
    delete process.env.HTTPS_PROXY;
    server.close();
  });
}

const baseUrl = "https://zitadel.example";
const grantId = ["1"];
const calls: Record<string, () => Promise<unknown>> = {
  "native gRPC": async () => {
    const client = createGrpcClient({ baseUrl, token });
    onTestFinished(() => close(client));
    await client.bulkRemoveUserGrant({ grantId });
  },
  "gRPC-web": () =>
    createGrpcWebClient({ baseUrl, token, fetch: createFetch() }).bulkRemoveUserGrant({ grantId }),
  JSON: () =>
    createJsonClient({ baseUrl, token, fetch: createFetch() }).bulkRemoveUserGrant({ grantId }),
  fetch: () => createFetch()(baseUrl, { headers: { authorization: `Bearer ${token}` } }),
};

const responses: Record<string, (echo: string) => string> = {
  "bytes that are not HTTP": (echo) => `${echo}\r\n\r\n`,
  "a status text": (echo) => `HTTP/1.1 407 ${echo.replace(/[^ -~]/g, "")}\r\n\r\n`,
  "a header": (echo) => `HTTP/1.1 200 OK\r\nx y: ${echo}\r\n\r\n`,
  "what should be TLS": (echo) => `HTTP/1.1 200 OK\r\n\r\n${echo}${echo}`,
};

describe.each(Object.entries(calls))("over %s", (_, call) => {
  it.each(Object.entries(responses))(
    "a proxy's credentials appear nowhere that it repeats in %s",
    async (_, respond) => {
      await startProxy((request) =>
        respond(`${echoes(password)} ${request.split("Basic ")[1] ?? ""}`),
      );
      const error = await call().catch((reason) => reason);
      expect(error).toBeInstanceOf(Error);
      expectNoSecret(shown(error), password);
      expectNoSecret(shown(error), token);
    },
  );
});

it("a token source behind such a proxy never shows them either", async () => {
  await startProxy((request) => `${request}\r\n\r\n`);
  const source = serviceUser(serviceUserKey, { issuer: baseUrl, fetch: createFetch() });
  const signal = AbortSignal.timeout(500);
  const error = await Promise.resolve(source({ signal })).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConnectError);
  expectNoSecret(shown(error), password);
});
