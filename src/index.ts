/**
 * The main entry: native gRPC in Node, Bun and Deno (`index.ts`), gRPC-web everywhere else (`index.web.ts`).
 * `exports` in package.json chooses: its condition `node` names the first, `default` the second. These
 * declarations serve both.
 *
 * @module zitadel-user-grants
 */
import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import {
  createManagementClient as createGrpcClient,
  createTransport as createGrpcTransport,
} from "./grpc.js";
import type { ClientOptions } from "./options/options.js";

/**
 * A client of ZITADEL's `ManagementService` over native gRPC in Node, Bun and Deno, and over gRPC-web everywhere else.
 *
 * Options that only the other build supports are rejected; the error names the right entry.
 *
 * @param options `baseUrl` is required; a property that is `undefined` counts as not given.
 * @returns a Connect `Client`, which `close()` takes as well. Its calls reject with a `ConnectError`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent. The message has the option's name, what is allowed and what was given.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 *
 * const client = createManagementClient({
 *   baseUrl: "https://example.zitadel.cloud",
 *   token: process.env.ZITADEL_TOKEN,
 * });
 * await client.bulkRemoveUserGrant({ grantId: ["171727382938472938"] });
 * ```
 */
export function createManagementClient(options: ClientOptions): ManagementClient {
  return createGrpcClient(options);
}

/**
 * A Connect `Transport` over native gRPC in Node, Bun and Deno, and over gRPC-web everywhere else, for any generated service.
 *
 * Options that only the other build supports are rejected; the error names the right entry.
 *
 * @param options the same as for `createManagementClient`.
 * @returns a `Transport` that can also be passed to `close()`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent.
 * @example
 * ```ts
 * import { createClient } from "@connectrpc/connect";
 * import { createTransport, ManagementService } from "zitadel-user-grants";
 *
 * const transport = createTransport({
 *   baseUrl: "https://example.zitadel.cloud",
 *   token: process.env.ZITADEL_TOKEN,
 * });
 * const client = createClient(ManagementService, transport);
 * ```
 */
export function createTransport(options: ClientOptions): Transport {
  return createGrpcTransport(options);
}

export * from "./client/common-exports.js";
export type {
  ClientOptions,
  ConnectionOptions,
  FetchOptions,
  NodeConnectOptions,
} from "./options/options.js";
