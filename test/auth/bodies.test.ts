import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createGzip } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { createFetch } from "../../src/grpc.js";

const block = Buffer.alloc(64 * 1024, " ");

/** Writes forever, as long as the client reads. */
function pour(response: ServerResponse, zip: boolean): { readonly bytes: () => number } {
  let bytes = 0;
  response.writeHead(200, {
    "content-type": "application/json",
    ...(zip && { "content-encoding": "gzip" }),
  });
  const body = zip ? createGzip() : response;
  if (zip) {
    body.pipe(response);
  }
  response.on("error", () => undefined);
  const write = () => {
    while (!response.destroyed && body.write(block)) {
      bytes += block.length;
    }
  };
  body.on("drain", write);
  write();
  return { bytes: () => bytes };
}

test.each([
  ["discovery", false, undefined],
  ["discovery", true, undefined],
  ["token request", false, undefined],
  ["token request", true, undefined],
  ["discovery", false, createFetch()],
  ["token request", false, createFetch()],
])("an endless response to a %s is read up to 1 MiB (gzip: %s)", async (step, zip, fetch) => {
  let poured = { bytes: () => 0 };
  let closed: Promise<void> | undefined;
  const server = createServer((request, response) => {
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (step === "token request" && request.method === "GET") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` }));
    } else {
      closed = new Promise((resolve) => response.once("close", resolve));
      poured = pour(response, zip);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = clientCredentials({ issuer, clientId: "a", clientSecret: "s3cret-1", fetch });
  await expect(source()).rejects.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage: expect.stringMatching(
      new RegExp(`^${step} at \\S+ got an unexpected response: more than 1 MiB`),
    ),
  });
  // The connection is let go of, so that nothing more comes.
  await closed;
  expect(poured.bytes()).toBeLessThan((zip ? 1024 : 16) * 1024 * 1024);
});
