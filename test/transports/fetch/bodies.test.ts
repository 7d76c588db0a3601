import { Readable } from "node:stream";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import * as grpcWeb from "../../../src/grpc-web.node.js";
import * as json from "../../../src/json.js";
import { startSandbox } from "../../../src/sandbox/index.js";
import { failureOf } from "../../support/protocols.js";

/** What `fetch` of other people returns in place of a web stream. */
const bodies: Record<string, (bytes: Buffer) => unknown> = {
  "a stream of Node (node-fetch, cross-fetch)": (bytes) => Readable.from([bytes]),
  "nothing (React Native)": () => undefined,
};

describe.each([
  ["gRPC-web", grpcWeb],
  ["JSON", json],
] as const)("over %s", (_, { createManagementClient }) => {
  it.each(Object.entries(bodies))("a response whose body is %s is read", async (_, bodyOf) => {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
      const { ok, status, headers, url, ...response } = await globalThis
        .fetch(input, init)
        .then(async (original) => ({
          ok: original.ok,
          status: original.status,
          headers: original.headers,
          url: original.url,
          bytes: Buffer.from(await original.arrayBuffer()),
        }));
      const { bytes } = response;
      return {
        ...{ ok, status, headers, url, body: bodyOf(bytes) },
        text: async () => bytes.toString(),
        arrayBuffer: async () => new Uint8Array(bytes).buffer,
      } as Response;
    };
    const { baseUrl, token } = sandbox;
    const client = createManagementClient({ baseUrl, token, fetch });
    const grant = sandbox.addGrant();
    await client.deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    const error = await failureOf(client.deactivateUserGrant({ userId: "1", grantId: "1" }));
    expect(grpcWeb.isGrantNotFound(error)).toBe(true);

    const small = createManagementClient({ baseUrl, token, fetch, readMaxBytes: 5 });
    const tooLarge = await failureOf(small.deactivateUserGrant(sandbox.addGrant()));
    expect(tooLarge.code).toBe(Code.ResourceExhausted);
  });
});
