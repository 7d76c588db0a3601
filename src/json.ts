import type { Transport } from "@connectrpc/connect";
import { commonChecks, connectionChecks, fetchChecks, jsonChecks } from "./check-options.js";
import { buildClient, buildTransport, type ManagementClient, type Protocol } from "./client.js";
import type { JsonOptions } from "./options.js";
import { createJsonTransport } from "./transports/json.js";

const json: Protocol<JsonOptions> = {
  checks: { ...commonChecks, ...fetchChecks, ...jsonChecks },
  elsewhere: Object.fromEntries(
    Object.keys(connectionChecks).map((name) => [name, "zitadel-user-grants/grpc"]),
  ),
  create: createJsonTransport,
};

/**
 * A client of ZITADEL's ManagementService over plain HTTP with JSON, which proxies and firewalls that
 * break gRPC let through: `fetch` carries it, in browsers and anywhere else. Deadlines are kept by the
 * client and not sent.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createManagementClient(options: JsonOptions): ManagementClient {
  return buildClient(json, options);
}

/**
 * A Connect `Transport` over plain HTTP with JSON for the unary methods of any service that is generated
 * from protos with `google.api.http` annotations. Other methods fail as `Unimplemented`.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createTransport(options: JsonOptions): Transport {
  return buildTransport(json, options);
}

export * from "./foundation.js";
export type { JsonOptions } from "./options.js";
