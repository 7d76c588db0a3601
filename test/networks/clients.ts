import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { createFetch, ManagementService, type NodeConnectOptions } from "../../src/grpc.js";
import type { Protocol } from "../faults/exchange.js";
import { createTransport } from "../support/protocols.js";

/** A transport with network settings: over fetch, they go into the `fetch` that it calls. */
export function connect(
  protocol: Protocol,
  baseUrl: string,
  nodeOptions: NodeConnectOptions = {},
): Transport {
  const own = protocol === "grpc" ? { nodeOptions } : { fetch: createFetch(nodeOptions) };
  return createTransport(protocol, { baseUrl, allowInsecure: true, ...own });
}

/** The number in the server's response. */
export async function deactivate(transport: Transport): Promise<bigint | undefined> {
  const client = createClient(ManagementService, transport);
  const { details } = await client.deactivateUserGrant({ userId: "1", grantId: "2" });
  return details?.sequence;
}
