import { ConnectError, type Transport } from "@connectrpc/connect";
import { expect, onTestFinished } from "vitest";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import * as json from "../../src/json.js";
import type { Exchange, Protocol, WireOptions, WireServer } from "../faults/exchange.js";
import { startWireServer } from "../faults/wire.js";

export const protocols = ["grpc", "grpc-web", "json"] as const;

/** The entry of each protocol. */
export const entries = { grpc, "grpc-web": grpcWeb, json } as const;

type Options = Partial<grpc.GrpcOptions & json.JsonOptions> & { readonly baseUrl: string };

/** A client for the duration of a test. */
export function createClient(protocol: Protocol, options: Options): grpc.ManagementClient {
  const client = entries[protocol].createManagementClient(options as never);
  onTestFinished(() => grpc.close(client));
  return client;
}

/** A transport for the duration of a test. */
export function createTransport(protocol: Protocol, options: Options): Transport {
  const transport = entries[protocol].createTransport(options as never);
  onTestFinished(() => grpc.close(transport));
  return transport;
}

/** A server that writes what it is told, right or wrong, for the duration of a test. */
export async function startWire(
  protocol: Protocol,
  respond: (exchange: Exchange) => void,
  options: Partial<WireOptions> = {},
): Promise<WireServer> {
  const server = await startWireServer(protocol, { ...options, respond });
  onTestFinished(() => server.close());
  return server;
}

/** The error of a call that must fail. */
export async function failureOf(call: PromiseLike<unknown>): Promise<ConnectError> {
  const error = await Promise.resolve(call).then(
    () => new Error("the call succeeded"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}
