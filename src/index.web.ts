// The entry `.` where there is no Node; its documentation is in index.ts, whose types serve both.
import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import {
  createManagementClient as createGrpcWebClient,
  createTransport as createGrpcWebTransport,
} from "./grpc-web.js";
import type { ClientOptions } from "./options/options.js";

export function createManagementClient(options: ClientOptions): ManagementClient {
  return createGrpcWebClient(options);
}

export function createTransport(options: ClientOptions): Transport {
  return createGrpcWebTransport(options);
}

export * from "./client/common-exports.js";
export type {
  ClientOptions,
  ConnectionOptions,
  FetchOptions,
  NodeConnectOptions,
} from "./options/options.js";
