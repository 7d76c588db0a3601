import type { ServerResponse } from "node:http";
import { createGzip } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { createFetch } from "../../src/grpc.js";
import { startHttpServer } from "../support/http-server.js";

const block = Buffer.alloc(64 * 1024, " ");

/** Writes forever, as long as the client reads. */
function pour(
  response: ServerResponse,
  zip: boolean,
  status = 200,
): { readonly bytes: () => number } {
  let bytes = 0;
  response.writeHead(status, {
    "content-type": "application/json",
    location: "/",
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
  const { baseUrl: issuer } = await startHttpServer((request, response) => {
    if (step === "token request" && request.method === "GET") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token` }));
    } else {
      closed = new Promise((resolve) => response.once("close", resolve));
      poured = pour(response, zip);
    }
  });
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
