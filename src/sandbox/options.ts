import { isObject, show } from "../options/checker.js";
import { nearest } from "../options/spelling.js";
import { type Generation, generations } from "./model/generation.js";

/** What both kinds of sandbox take. Everything is optional; `undefined` counts as not given. */
export interface SandboxOptions {
  /** The access token that `token` of the result has. Default: a random one. */
  readonly token?: string | undefined;
  /** The id of the organization that exists from the start. Default: one like ZITADEL's. */
  readonly orgId?: string | undefined;
  /**
   * Which ZITADEL the sandbox is like, in everything in which the two differ: `"v4"` (default), or
   * `"v2.70"`, which for one rejects the deactivation of an inactive grant with FAILED_PRECONDITION
   * COMMAND-1S9gx, sends errors over gRPC-web in the body and no request ids.
   */
  readonly generation?: Generation | undefined;
  /**
   * The host names of the instance, without port; the first is its ExternalDomain, and the host of
   * `baseUrl`. A request for any other gets NOT_FOUND without a detail. Default: `["localhost"]`, so
   * `127.0.0.1` is another host.
   */
  readonly hosts?: readonly string[] | undefined;
  /** How many milliseconds each management call takes. Default: 0. */
  readonly requestLatencyMs?: number | undefined;
  /** How many milliseconds a bulk removal takes on top for each id. Default: 0. */
  readonly idLatencyMs?: number | undefined;
  /**
   * How many milliseconds a change takes to show in searches for grants, as on a busy server. Reading a
   * single grant brings them up to date. Default: 0.
   */
  readonly projectionDelayMs?: number | undefined;
  /** Milliseconds that the access tokens of the token endpoint live, from 1. Default: 12 hours. */
  readonly accessTokenLifetimeMs?: number | undefined;
  /** Milliseconds that a refresh token lives while it is not used, from 1. Default: 30 days. */
  readonly refreshTokenLifetimeMs?: number | undefined;
  /** The clock, in milliseconds since the Unix epoch. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** What `startSandbox` takes. */
export interface SandboxServerOptions extends SandboxOptions {
  /** The TCP port, 0 to 65535. Default: 0, a free one. */
  readonly port?: number | undefined;
}

type Check = (value: unknown) => boolean;

const isHeaderValue: Check = (value) => typeof value === "string" && /^[!-~]+$/.test(value);
const isLatency: Check = (value) => typeof value === "number" && value >= 0 && value < 2 ** 31;
const isLifetime: Check = (value) => Number.isInteger(value) && Number(value) >= 1;
const isHost: Check = (value) => typeof value === "string" && /^[^\s:/@]+$/.test(value);

const checks: Record<keyof SandboxServerOptions, { allowed: string; accepts: Check }> = {
  token: { allowed: "printable ASCII without spaces", accepts: isHeaderValue },
  orgId: { allowed: "printable ASCII without spaces", accepts: isHeaderValue },
  generation: {
    allowed: generations.map((name) => JSON.stringify(name)).join(" or "),
    accepts: (value) => (generations as readonly unknown[]).includes(value),
  },
  hosts: {
    allowed: "a list of at least one host name, without ports",
    accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(isHost),
  },
  requestLatencyMs: { allowed: "milliseconds from 0 to 2147483647", accepts: isLatency },
  idLatencyMs: { allowed: "milliseconds from 0 to 2147483647", accepts: isLatency },
  projectionDelayMs: { allowed: "milliseconds from 0 to 2147483647", accepts: isLatency },
  accessTokenLifetimeMs: { allowed: "whole milliseconds from 1", accepts: isLifetime },
  refreshTokenLifetimeMs: { allowed: "whole milliseconds from 1", accepts: isLifetime },
  now: { allowed: "a function", accepts: (value) => typeof value === "function" },
  port: {
    allowed: "an integer from 0 to 65535",
    accepts: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65535,
  },
};

/** @throws TypeError that names the option, what is allowed and, unless it is a secret, what was given. */
export function checkOptions(
  caller: string,
  options: SandboxServerOptions,
  hasPort: boolean,
): void {
  if (!isObject(options)) {
    throw new TypeError(`${caller}: options must be an object; got ${show(options)}`);
  }
  const known = Object.keys(checks).filter((name) => hasPort || name !== "port");
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) {
      const guess = nearest(name, known);
      throw new TypeError(
        `${caller}: unknown option ${JSON.stringify(name)}${guess === undefined ? "." : `; did you mean ${guess}?`} Known are: ${known.join(", ")}`,
      );
    }
    const { allowed, accepts } = checks[name as keyof typeof checks];
    if (value !== undefined && !accepts(value)) {
      const given = name === "token" ? "another value" : show(value);
      throw new TypeError(`${caller}: ${name} must be ${allowed}; got ${given}`);
    }
  }
}
