import type { ConnectionOptions } from "./client-options.js";

const grpc = "zitadel-user-grants/grpc";

/** The options of connections, and the entry that supports them: for entries that use `fetch`. */
export const misplacedConnectionOptions: Readonly<Record<keyof ConnectionOptions, string>> = {
  nodeOptions: grpc,
  acceptCompression: grpc,
  sendCompression: grpc,
  compressMinBytes: grpc,
  pingIntervalMs: grpc,
  pingIdleConnection: grpc,
  pingTimeoutMs: grpc,
  idleConnectionTimeoutMs: grpc,
  connectTimeoutMs: grpc,
};
