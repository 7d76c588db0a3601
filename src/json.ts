/**
 * HTTP/JSON by `fetch`, where gRPC is blocked. The examples of `zitadel-user-grants` apply, with this import.
 *
 * @module zitadel-user-grants/json
 */
import type { Transport } from "@connectrpc/connect";
import {
  buildClient,
  buildTransport,
  type ManagementClient,
  type Protocol,
} from "./client/client.js";
import { nothingSent } from "./errors/failure.js";
import { isObject, own } from "./options/checker.js";
import { commonChecks, fetchChecks, misplacedConnectionOptions } from "./options/checks.js";
import type { JsonOptions } from "./options/options.js";
import * as plainJson from "./transports/call/plain-json.js";
import type { JsonParts } from "./transports/json/request.js";
import { anyService } from "./transports/json/request.js";
import { createJsonTransport } from "./transports/json/transport.js";

const json = (parts: JsonParts): Protocol<JsonOptions> => ({
  checks: {
    ...commonChecks,
    ...fetchChecks,
    pathPrefixes: [
      'an object such as { "acme.v1": "/acme" }',
      (value) =>
        isObject(value) && Object.values(value).every((prefix) => /^(\/[\w.~-]+)*$/.test(prefix)),
    ],
  },
  misplaced: misplacedConnectionOptions,
  create: (options) => createJsonTransport(own({ ...options, nothingSent }), parts),
});

/**
 * A client of ZITADEL's `ManagementService` over plain HTTP with JSON, by `fetch`, in browsers and everywhere else.
 *
 * It usually works through proxies and firewalls that break gRPC. Deadlines are enforced by the client and
 * never sent.
 *
 * @param options `baseUrl` is required; a property that is `undefined` counts as not given.
 * @returns a Connect `Client`, which `close()` takes as well. Its calls reject with a `ConnectError`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent. The message has the option's name, what is allowed and what was given.
 */
export function createManagementClient(options: JsonOptions): ManagementClient {
  return buildClient(json(plainJson), options);
}

/**
 * A Connect `Transport` over plain HTTP with JSON, for any generated service.
 *
 * It serves the unary methods of services whose protos have `google.api.http` annotations. Other methods
 * reject with `Unimplemented`.
 *
 * @param options the same as for `createManagementClient`.
 * @returns a `Transport` that can also be passed to `close()`.
 * @throws TypeError for an option that is unknown, not allowed, or only supported by another entry, before
 * anything is sent.
 */
export function createTransport(options: JsonOptions): Transport {
  return buildTransport(json(anyService), options);
}

export * from "./client/common-exports.js";
export type { FetchOptions, JsonOptions } from "./options/options.js";
