import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { headerValueProblem } from "./header-value.js";
import { nearest } from "./nearest.js";
import type { CommonOptions } from "./options.js";
import type { RetryOptions } from "./retry-options.js";

/** Says what is allowed when a value is not, and nothing otherwise. */
export type Check = (value: unknown) => string | undefined;

/** One check for each option of a protocol: a type that forgets one does not compile. */
export type Checks<O> = { readonly [K in keyof Required<O>]: Check };

/** Options whose values are secrets or may be: they are described, never shown. */
const secret = new Set(["baseUrl", "token", "orgId", "nodeOptions"]);

/**
 * Checks the options of a client or a transport.
 *
 * @param checks of the protocol that the entry speaks.
 * @param elsewhere names of options that only another entry takes, with that entry.
 * @returns a copy without those that are undefined, `baseUrl` without its final slash.
 * @throws TypeError naming the option, what is allowed and what was given.
 */
export function checkOptions<O extends CommonOptions>(
  options: O,
  checks: Checks<O>,
  elsewhere: Readonly<Record<string, string>> = {},
): O {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`options must be an object with a baseUrl, got ${show(options)}`);
  }
  const checked = checkEach(options, checks, elsewhere);
  const baseUrl = checkBaseUrl(checked.baseUrl, checked.allowInsecure === true);
  return { ...checked, baseUrl } as O;
}

/** @param prefix of the options' names in messages. */
function checkEach<O>(
  options: object,
  checks: Checks<O>,
  elsewhere: Readonly<Record<string, string>> = {},
  prefix = "",
): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) {
      continue;
    }
    const check: Check | undefined = Object.hasOwn(checks, name)
      ? checks[name as keyof O]
      : undefined;
    if (check === undefined) {
      throw new TypeError(unknownOption(name, Object.keys(checks), elsewhere, prefix));
    }
    const allowed = check(value);
    if (allowed !== undefined) {
      throw new TypeError(`${prefix}${name} must be ${allowed}; got ${shown(name, value)}`);
    }
    checked[name] = value;
  }
  return checked;
}

function unknownOption(
  name: string,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
  prefix: string,
): string {
  if (Object.hasOwn(elsewhere, name)) {
    return `${name} is an option of ${elsewhere[name]}: import from there to use it`;
  }
  const guess = nearest(name, known);
  return `unknown option ${show(prefix + name)}${guess === undefined ? "" : `; did you mean ${guess}?`} Known are: ${known.join(", ")}`;
}

function checkBaseUrl(baseUrl: unknown, allowInsecure: boolean): string {
  const allowed = "baseUrl must be an absolute http or https URL";
  if (typeof baseUrl !== "string") {
    throw new TypeError(
      `${allowed}, such as "https://example.zitadel.cloud"; got ${show(baseUrl)}`,
    );
  }
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(
      `${allowed}, such as "https://example.zitadel.cloud"; got ${baseUrl.includes("@") ? "another string" : show(baseUrl)}`,
    );
  }
  // Told apart in the text, since `new URL("https://host?")` has an empty query.
  for (const [part, found] of [
    ["credentials", url.username !== "" || url.password !== ""],
    ["a query", baseUrl.includes("?")],
    ["a fragment", baseUrl.includes("#")],
  ] as const) {
    if (found) {
      throw new TypeError(`baseUrl must be without ${part}; got one for ${show(url.host)} with it`);
    }
  }
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    throw new TypeError(
      `baseUrl must be https, since tokens would travel in cleartext to ${url.host}; got ${show(url.href)}. Set allowInsecure: true where the network between is yours`,
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** This machine: RFC 6761 section 6.3 for the names, RFC 5735 and RFC 4291 for the addresses. */
export function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

function shown(name: string, value: unknown): string {
  return secret.has(name) ? (headerValueProblem(value) ?? "another value") : show(value);
}

function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  return typeof value === "function" ? "a function" : String(value);
}

const headerValue: Check = (value) =>
  headerValueProblem(value) === undefined ? undefined : "visible ASCII characters without spaces";
const boolean: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const object: Check = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "an object";
const fn: Check = (value) => (typeof value === "function" ? undefined : "a function");
const anything: Check = () => undefined;

function number(what: string, minimum: number, maximum: number): Check {
  return (value) =>
    typeof value === "number" && value >= minimum && value <= maximum
      ? undefined
      : `a ${what} from ${minimum} to ${maximum}`;
}

function integer(unit: string, minimum: number, maximum: number): Check {
  const check = number(`whole number of ${unit}`, minimum, maximum);
  return (value) => check(Number.isInteger(value) ? value : undefined);
}

/** Milliseconds up to what timers take. */
export const timeMs = (minimum: number): Check => integer("milliseconds", minimum, 2 ** 31 - 1);
const bytes = (minimum: number): Check => integer("bytes", minimum, 2 ** 32 - 1);

function listOf(what: string, isItem: (item: unknown) => boolean): Check {
  return (value) =>
    Array.isArray(value) && value.every(isItem) ? undefined : `an array of ${what}`;
}

const isCompression = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "name" in value && "compress" in value;

const retryChecks: Checks<RetryOptions> = {
  maxAttempts: integer("attempts", 1, 100),
  initialBackoffMs: timeMs(1),
  maxBackoffMs: timeMs(1),
  backoffMultiplier: number("number", 1, 100),
  retryableStatusCodes: listOf("status codes (1 to 16)", (item) => (item as number) in Code),
  idempotentMethods: listOf(
    "methods (SomeService.method.someMethod)",
    (item) => (item as DescMethod)?.kind === "rpc",
  ),
  maxRetryAfterMs: timeMs(0),
  maxTokens: number("number", 1, 1000),
  tokenRatio: number("number", 0.001, 1000),
};

export const commonChecks: Checks<CommonOptions> = {
  // Needs allowInsecure beside it, so it is checked on its own.
  baseUrl: anything,
  token: (value) =>
    typeof value === "function" || headerValueProblem(value) === undefined
      ? undefined
      : 'a bearer token (without the word "Bearer") or a function that returns one',
  orgId: headerValue,
  instanceHost: (value) => {
    if (typeof document !== "undefined") {
      return "left out in a web page: ZITADEL's CORS rules refuse x-zitadel-instance-host, and the calls with it";
    }
    return typeof value === "string" && /^[\w.-]+(?::\d+)?$/.test(value)
      ? undefined
      : 'a host name, such as "example.zitadel.cloud"';
  },
  defaultTimeoutMs: timeMs(0),
  retry: (value) => {
    if (typeof value === "boolean") {
      return undefined;
    }
    if (object(value) !== undefined) {
      return "true, false or an object";
    }
    checkEach(value as object, retryChecks, {}, "retry.");
    return undefined;
  },
  interceptors: listOf("interceptors (functions)", (item) => typeof item === "function"),
  allowInsecure: boolean,
  jsonOptions: object,
  readMaxBytes: bytes(1),
  writeMaxBytes: bytes(1),
};

export const binaryFormatChecks = { useBinaryFormat: boolean, binaryOptions: object };
export const fetchChecks = { fetch: fn };
export const jsonChecks = {
  pathPrefixes: (value: unknown) =>
    object(value) === undefined &&
    Object.values(value as object).every((prefix) => /^(\/[\w.~-]+)*$/.test(prefix))
      ? undefined
      : 'an object such as { "acme.v1": "/acme" }',
};
export const connectionChecks = {
  nodeOptions: object,
  acceptCompression: listOf("compressions", isCompression),
  sendCompression: (value: unknown) => (isCompression(value) ? undefined : "a compression"),
  compressMinBytes: bytes(0),
  pingIntervalMs: timeMs(1),
  pingIdleConnection: boolean,
  pingTimeoutMs: timeMs(1),
  idleConnectionTimeoutMs: timeMs(1),
  connectTimeoutMs: timeMs(1),
};
