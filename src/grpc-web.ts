/**
 * gRPC-web by `fetch`, in every runtime. The examples of `zitadel-user-grants` apply, with this import.
 *
 * In Node, Bun and Deno (`grpc-web.node.ts`), Connect's streams are loaded when the first one is opened. A
 * page that uses only `createManagementClient` does not load them.
 *
 * @module zitadel-user-grants/grpc-web
 */
import type { Transport } from "@connectrpc/connect";
import type { ManagementClient } from "./client/client.js";
import { buildGrpcWebClient, buildGrpcWebTransport } from "./client/grpc-web.js";
import type { GrpcWebOptions } from "./options/options.js";
import { createStreams } from "./transports/grpc-web/streams.js";

/**
 * A client of ZITADEL's `ManagementService` over gRPC-web, by `fetch`, in browsers and everywhere else.
 *
 * Deadlines are enforced by the client and never sent, because ZITADEL's CORS rules reject `grpc-timeout`.
 *
 * @param options `baseUrl` is required; a property that is `undefined` counts as not given.
 * @returns a Connect `Client`, which `close()` takes as well. Its calls reject with a `ConnectError`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent. The message has the option's name, what is allowed and what was given.
 */
export function createManagementClient(options: GrpcWebOptions): ManagementClient {
  return buildGrpcWebClient(options);
}

/**
 * A Connect `Transport` over gRPC-web, by `fetch`, for any generated service.
 *
 * It serves unary and server-streaming methods; `fetch` cannot carry other kinds.
 *
 * @param options the same as for `createManagementClient`.
 * @returns a `Transport` that can also be passed to `close()`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent.
 */
export function createTransport(options: GrpcWebOptions): Transport {
  return buildGrpcWebTransport(options, undefined, createStreams);
}

export * from "./client/common-exports.js";
export type { FetchOptions, GrpcWebOptions } from "./options/options.js";
