import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { isObject } from "./options/checker.js";
import { commonChecks, fetchChecks } from "./options/client-checks.js";
import type { JsonOptions } from "./options/client-options.js";
import { connectionOptionsElsewhere } from "./options/misplaced.js";
import { type AnyService, anyService } from "./transports/json/http-rule/any-service.js";
import { createJsonTransport } from "./transports/json/transport.js";

const json = (extras?: AnyService): Protocol<JsonOptions> => ({
  checks: {
    ...commonChecks,
    ...fetchChecks,
    pathPrefixes: [
      'an object such as { "acme.v1": "/acme" }',
      (value) =>
        isObject(value) && Object.values(value).every((prefix) => /^(\/[\w.~-]+)*$/.test(prefix)),
    ],
  },
  elsewhere: connectionOptionsElsewhere,
  create: (options) => createJsonTransport(options, extras),
});

/**
 * A client of ZITADEL's ManagementService over plain HTTP with JSON, which proxies and firewalls that
 * break gRPC let through: `fetch` carries it, in browsers and anywhere else. Deadlines are kept by the
 * client and not sent.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createManagementClient(options: JsonOptions): ManagementClient {
  // Without what ManagementService has no use for, and every page would carry.
  return buildClient(json(), options);
}

/**
 * A Connect `Transport` over plain HTTP with JSON for the unary methods of any service that is generated
 * from protos with `google.api.http` annotations. Other methods fail as `Unimplemented`.
 *
 * @throws TypeError for an option that is unknown or not allowed, before anything is sent.
 */
export function createTransport(options: JsonOptions): Transport {
  return buildTransport(json(anyService), options);
}

export * from "./client/common-exports.js";
export type { JsonOptions } from "./options/client-options.js";
