import { boolean, bytes, type Checks, describe, isObject, listOf, timeMs } from "./checker.js";
import type { ConnectionOptions } from "./client-options.js";

const isCompression = (value: unknown): boolean =>
  isObject(value) && "name" in value && "compress" in value;

/** Checks of the options of connections: native gRPC alone. */
export const connectionChecks: Checks<ConnectionOptions> = {
  // It may contain a key.
  nodeOptions: ["an object", isObject, describe],
  acceptCompression: listOf("compressions", isCompression),
  sendCompression: ["a compression", isCompression],
  compressMinBytes: bytes(0),
  pingIntervalMs: timeMs(1),
  pingIdleConnection: boolean,
  pingTimeoutMs: timeMs(1),
  idleConnectionTimeoutMs: timeMs(1),
  connectTimeoutMs: timeMs(1),
};
