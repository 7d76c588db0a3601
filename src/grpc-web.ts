/**
 * gRPC-web by `fetch`: for browsers, workers, and everywhere else.
 *
 * @module zitadel-user-grants/grpc-web
 */
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { binaryFormatChecks, commonChecks, fetchChecks } from "./options/client-checks.js";
import type { GrpcWebOptions } from "./options/client-options.js";
import { misplacedConnectionOptions } from "./options/misplaced.js";
import * as plainJson from "./transports/call/plain-json.js";
import { createStreams } from "./transports/grpc-web/streams.js";
import { createGrpcWebTransport, type GrpcWebParts } from "./transports/grpc-web/transport.js";

const grpcWeb = (parts: GrpcWebParts): Protocol<GrpcWebOptions> => ({
  checks: { ...commonChecks, ...binaryFormatChecks, ...fetchChecks },
  misplaced: { ...misplacedConnectionOptions, pathPrefixes: "zitadel-user-grants/json" },
  create: (options) => createGrpcWebTransport(options, parts),
});

/**
 * A client of ZITADEL's `ManagementService` over gRPC-web, by `fetch`, in browsers and everywhere else.
 *
 * Deadlines are kept by the client and never sent, because ZITADEL's CORS rules reject `grpc-timeout`.
 *
 * @param options `baseUrl` is required; a property that is `undefined` counts as not given.
 * @returns a Connect `Client` that can also be passed to `close()`. Its calls reject with a
 * `ConnectError`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent. The message has the option's name, what is allowed and what was given.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants/grpc-web";
 *
 * const client = createManagementClient({
 *   baseUrl: "https://example.zitadel.cloud",
 *   token: process.env.ZITADEL_TOKEN,
 * });
 * await client.bulkRemoveUserGrant({ grantId: ["171727382938472938"] });
 * ```
 */
export function createManagementClient(options: GrpcWebOptions): ManagementClient {
  return buildClient(grpcWeb({ json: plainJson }), options);
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
 * @example
 * ```ts
 * import { createClient } from "@connectrpc/connect";
 * import { createTransport, ManagementService } from "zitadel-user-grants/grpc-web";
 *
 * const transport = createTransport({
 *   baseUrl: "https://example.zitadel.cloud",
 *   token: process.env.ZITADEL_TOKEN,
 * });
 * const client = createClient(ManagementService, transport);
 * ```
 */
export function createTransport(options: GrpcWebOptions): Transport {
  return buildTransport(
    grpcWeb({ json: { fromJsonString, toJsonString }, createStreams }),
    options,
  );
}

export * from "./client/common-exports.js";
export type { FetchOptions, GrpcWebOptions } from "./options/client-options.js";
