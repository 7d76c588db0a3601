import {
  type Check,
  type Checks,
  checkOptions,
  integer,
  isFunction,
  isObject,
  number,
  oneOf,
} from "../options/checker.js";
import { type Generation, generations } from "./model/entities.js";
import { type SandboxSeed, token } from "./seed.js";

/** The options of both kinds of sandbox. Everything is optional; `undefined` counts as not given. */
export interface SandboxOptions {
  /** The access token that is returned as `token`. Default: a random one. */
  readonly token?: string | undefined;
  /** The id of the organization that exists from the start. Default: an id like ZITADEL's. */
  readonly orgId?: string | undefined;
  /**
   * The version of ZITADEL that the sandbox imitates, in everything in which the two differ: `"v4"`
   * (default), or `"v2.70"`, which for example rejects the deactivation of an inactive grant with
   * FAILED_PRECONDITION COMMAND-1S9gx, sends errors over gRPC-web in the body, and sends no request ids.
   */
  readonly generation?: Generation | undefined;
  /**
   * Organizations, projects, users and grants that exist from the start: an object, or the path of a JSON
   * file with that object. Default: no seed.
   */
  readonly seed?: SandboxSeed | string | undefined;
  /**
   * The host names of the instance, without port; the first is its ExternalDomain, and the host of
   * `baseUrl`. A request for any other gets NOT_FOUND without a detail. Default: `["localhost"]`, so
   * `127.0.0.1` is another host.
   */
  readonly hosts?: readonly string[] | undefined;
  /** How many milliseconds each management call takes. Default: 0. */
  readonly requestLatencyMs?: number | undefined;
  /** How many milliseconds a bulk removal takes in addition for each id. Default: 0. */
  readonly idLatencyMs?: number | undefined;
  /**
   * How many milliseconds a change of a grant takes to appear in searches, userinfo and ID tokens, as on a
   * busy server; the two RPCs know of it at once. Reading a single grant brings searches up to date. Default: 0.
   */
  readonly projectionDelayMs?: number | undefined;
  /**
   * The share of changes of grants, 0 to 1, that never appear there, of those that overlap in time with another
   * change; see also `skipNextProjections`. Default: 0.
   */
  readonly projectionSkipRate?: number | undefined;
  /** An integer from 0 that decides which of them: the same one, the same ones. Default: 1. */
  readonly projectionSkipSeed?: number | undefined;
  /**
   * How many requests a second are served, on average; the others get HTTP 429, as on ZITADEL Cloud. From 1.
   * Default: all are served.
   */
  readonly requestsPerSecond?: number | undefined;
  /** The lifetime of access tokens of the token endpoint in milliseconds, from 1. Default: 12 hours. */
  readonly accessTokenLifetimeMs?: number | undefined;
  /** The lifetime of an unused refresh token in milliseconds, from 1. Default: 30 days. */
  readonly refreshTokenLifetimeMs?: number | undefined;
  /**
   * Which pages of other origins may read responses: of any origin, as ZITADEL has it, or only of this machine's
   * loopback addresses, or of a list of origins like `"http://app.example"`. Default: `"any"`.
   */
  readonly cors?: "any" | "loopback" | readonly string[] | undefined;
  /** The clock, in milliseconds since the Unix epoch. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Called once for each request, after its response has been built. Default: nothing is called. */
  readonly onRequest?: ((request: SandboxRequest) => void) | undefined;
}

/** The options of startSandbox. */
export interface SandboxServerOptions extends SandboxOptions {
  /** The TCP port, 0 to 65535. Default: 0, a free one. */
  readonly port?: number | undefined;
  /**
   * The address to listen on, `"0.0.0.0"` for all: whoever reaches it can use the sandbox. Default: the loopback
   * addresses of IPv4 and IPv6, which only this machine reaches.
   */
  readonly host?: string | undefined;
}

/** A request that the sandbox has responded to. */
export interface SandboxRequest {
  /** The RPC, `"DeactivateUserGrant"`, or for other endpoints the HTTP method and path. */
  readonly method: string;
  /** `"OK"`, the code as Connect names it, `"NotFound"`, or for other endpoints `"HTTP 200"`. */
  readonly outcome: string;
  /** The id of ZITADEL's error, `"COMMAND-3M9sd"`, if there is one. */
  readonly id: string | undefined;
}

const latencyMs = number(0, 2 ** 31 - 1);
const lifetimeMs = integer("milliseconds", 1, Number.MAX_SAFE_INTEGER);
const callback: Check = ["a function", isFunction];

const checks: Checks<SandboxOptions> = {
  token,
  orgId: [token[0], token[1]],
  generation: oneOf(generations),
  seed: [
    "an object, or the path of a JSON file",
    (value) => isObject(value) || (typeof value === "string" && value !== ""),
  ],
  hosts: [
    "a list of at least one host name, without ports",
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((host) => typeof host === "string" && /^[^\s:/@]+$/.test(host)),
  ],
  requestLatencyMs: latencyMs,
  idLatencyMs: latencyMs,
  projectionDelayMs: latencyMs,
  projectionSkipRate: number(0, 1),
  projectionSkipSeed: number(0, 2 ** 32 - 1),
  cors: [
    '"any", "loopback" or a list of origins',
    (value) =>
      value === "any" ||
      value === "loopback" ||
      (Array.isArray(value) &&
        value.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)),
  ],
  requestsPerSecond: number(1, Number.MAX_VALUE),
  accessTokenLifetimeMs: lifetimeMs,
  refreshTokenLifetimeMs: lifetimeMs,
  now: callback,
  onRequest: callback,
};

const serverChecks: Checks<SandboxServerOptions> = {
  ...checks,
  port: ["an integer from 0 to 65535", integer("", 0, 65535)[1]],
  host: [
    "a host name or an address, without a port",
    (value) => typeof value === "string" && /^[\w.:-]+$/.test(value),
  ],
};

/** @throws TypeError that names the option, what is allowed and, unless it is a secret, what was given. */
export function checkSandboxOptions(
  caller: "startSandbox" | "createSandbox",
  options: SandboxServerOptions,
): Readonly<SandboxServerOptions> {
  const known = caller === "startSandbox" ? serverChecks : checks;
  return checkOptions<SandboxServerOptions>(options, known as typeof serverChecks, { caller });
}
