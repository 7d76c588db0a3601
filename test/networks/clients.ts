import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { expect, onTestFinished } from "vitest";
import {
  close,
  createFetch,
  createTransport as createGrpcTransport,
  ManagementService,
  type NodeConnectOptions,
} from "../../src/grpc.js";
import { createTransport as createGrpcWebTransport } from "../../src/grpc-web.js";
import { createTransport as createJsonTransport } from "../../src/json.js";
import type { Protocol } from "../faults/exchange.js";

export const protocols = ["grpc", "grpc-web", "json"] as const;

/** A transport with network settings: over fetch, they go into the `fetch` that it calls. */
export function createTransport(
  protocol: Protocol,
  baseUrl: string,
  nodeOptions: NodeConnectOptions = {},
): Transport {
  const transport =
    protocol === "grpc"
      ? createGrpcTransport({ baseUrl, nodeOptions, allowInsecure: true })
      : (protocol === "json" ? createJsonTransport : createGrpcWebTransport)({
          baseUrl,
          fetch: createFetch(nodeOptions),
          allowInsecure: true,
        });
  onTestFinished(() => close(transport));
  return transport;
}

/** The number in the server's response. */
export async function deactivate(transport: Transport): Promise<bigint | undefined> {
  const client = createClient(ManagementService, transport);
  const { details } = await client.deactivateUserGrant({ userId: "1", grantId: "2" });
  return details?.sequence;
}

export async function failure(call: Promise<unknown>): Promise<Error & { code: unknown }> {
  try {
    await call;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return error as Error & { code: unknown };
  }
  throw new Error("the call succeeded");
}
