import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  boolean,
  bytes,
  type Checks,
  checkOptions,
  integer,
  isFunction,
  isHeaderValue,
  isLoopback,
  isObject,
  kindOf,
  listOf,
  number,
  object,
  own,
  show,
  timeMs,
} from "./checker.js";
import type {
  BinaryFormatOptions,
  CommonOptions,
  ConnectionOptions,
  FetchOptions,
  RetryOptions,
} from "./options.js";

/**
 * Checks the options of a client or a transport.
 *
 * @param checks of the entry's protocol.
 * @param misplaced names of options that only another entry supports, with that entry.
 * @returns a frozen copy without those that are undefined, `baseUrl` without its final slash.
 * @throws TypeError naming the option, what is allowed and what was given.
 */
export function checkClientOptions<O extends CommonOptions>(
  options: O,
  checks: Checks<O>,
  misplaced: Readonly<Record<string, string>> = {},
): Readonly<O> {
  const checked = checkOptions<O>(options, checks, { misplaced });
  const { retry, instanceHost, baseUrl, allowInsecure } = checked;
  if (instanceHost !== undefined && typeof document !== "undefined") {
    throw new TypeError(
      "instanceHost is not allowed in a web page: ZITADEL's CORS rules reject calls with it",
    );
  }
  return Object.freeze(
    own({
      ...checked,
      baseUrl: checkBaseUrl(baseUrl, allowInsecure === true),
      ...(isObject(retry) && {
        retry: checkOptions(retry, retryChecks, { prefix: "retry." }),
      }),
    }),
  );
}

function checkBaseUrl(baseUrl: unknown, allowInsecure: boolean): string {
  const text = typeof baseUrl === "string" ? baseUrl : "";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Checked in the text, since `new URL("https://host?")` has an empty query.
  if (url === undefined || !/^https?:$/.test(url.protocol) || /[?#@]/.test(text)) {
    throw new TypeError(
      `baseUrl must be an absolute http or https URL, without credentials, query or fragment, such as "https://example.zitadel.cloud"; got ${showAddress(baseUrl)}`,
    );
  }
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    throw new TypeError(
      `baseUrl must be https, or tokens travel in cleartext; got ${show(url.href)}. Set allowInsecure: true where the network is yours`,
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** The part before an @ may be a password, and a query may contain a token. */
function showAddress(value: unknown): string {
  const text = typeof value === "string" ? value : "";
  return /@|%40/.test(text) ? "another value" : show(text.split(/[?#]/)[0] || value);
}

const retryChecks: Checks<RetryOptions> = {
  maxAttempts: integer("attempts", 1, 100),
  initialBackoffMs: timeMs(1),
  maxBackoffMs: timeMs(1),
  backoffMultiplier: number(1, 100),
  retryableStatusCodes: listOf(
    "status codes (1 to 16)",
    (item) => Number.isInteger(item) && (item as number) in Code,
  ),
  idempotentMethods: listOf(
    "methods (SomeService.method.someMethod)",
    (item) => (item as DescMethod)?.kind === "rpc",
  ),
  maxRetryAfterMs: timeMs(0),
  maxTokens: number(1, 1000),
  tokenRatio: number(0.001, 1000),
};

export const commonChecks: Checks<CommonOptions> = {
  // Depends on allowInsecure, so it is checked separately.
  baseUrl: ["", () => true],
  token: [
    'a token without the word "Bearer", or a function that returns one',
    (value) => isFunction(value) || isHeaderValue(value),
    kindOf,
  ],
  orgId: ["visible ASCII characters without spaces", isHeaderValue, kindOf],
  instanceHost: [
    'a host name, such as "example.zitadel.cloud"',
    (value) => typeof value === "string" && /^[\w.-]+(:\d+)?$/.test(value),
    showAddress,
  ],
  defaultTimeoutMs: timeMs(0),
  retry: ["true, false or an object", (value) => typeof value === "boolean" || isObject(value)],
  interceptors: listOf("interceptors (functions)", isFunction),
  debug: ["a function of zitadel-user-grants/debug", isFunction],
  allowInsecure: boolean,
  jsonOptions: object,
  readMaxBytes: bytes(1),
  writeMaxBytes: bytes(1),
};

export const binaryFormatChecks: Checks<BinaryFormatOptions> = {
  useBinaryFormat: boolean,
  binaryOptions: object,
};

export const fetchChecks: Checks<FetchOptions> = { fetch: ["a function", isFunction] };

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
