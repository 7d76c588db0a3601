import {
  boolean,
  type Checks,
  checkOptions,
  isFunction,
  isLoopback,
  kindOf,
} from "../options/checker.js";

/** The options of every token source. */
export interface CommonTokenOptions {
  /**
   * The instance's origin, as in its discovery document: `https:`, or `http:` on loopback. For example
   * "https://example.zitadel.cloud".
   */
  issuer: string;
  /**
   * Scopes to request in addition to `openid` and `urn:zitadel:iam:org:project:id:zitadel:aud`, which are
   * always requested: ZITADEL rejects calls whose token lacks the second (AUTH-7fs1e).
   */
  scopes?: readonly string[] | undefined;
  /**
   * Called instead of the global `fetch`, for example to use a proxy or a private certificate authority. It
   * must not follow redirects when called with `redirect: "manual"`.
   */
  fetch?: typeof globalThis.fetch | undefined;
}

/** The options of token sources for servers. */
export interface ServerTokenOptions extends CommonTokenOptions {
  /**
   * The instance's own domain, such as "example.zitadel.cloud", where `issuer` is another address of the
   * server (inside a cluster): it is sent as `x-zitadel-instance-host`. The discovery document must name
   * an issuer on this host; tokens are requested at the address. Not allowed in a web page: ZITADEL's CORS
   * rules reject the header.
   */
  instanceHost?: string | undefined;
  /**
   * Allows an issuer with `http:` on another machine: anyone on the network path can then read secrets and
   * tokens. Default false.
   */
  allowInsecure?: boolean | undefined;
}

const issuerText = 'the origin of the instance, such as "https://example.zitadel.cloud"';

export const commonChecks: Checks<CommonTokenOptions> = {
  issuer: [
    issuerText,
    (value) => {
      if (typeof value !== "string" || !URL.canParse(value)) {
        return false;
      }
      const url = new URL(value);
      return (
        (url.username === "" && url.password === "" && !/[?#]/.test(value)) ||
        `${issuerText}, without credentials, query or fragment`
      );
    },
  ],
  scopes: [
    'an array of scopes, such as ["profile", "email"]',
    // RFC 6749, section 3.3: visible ASCII except the quote and the backslash.
    (value) =>
      Array.isArray(value) &&
      value.every((scope) => typeof scope === "string" && /^[!#-[\]-~]+$/.test(scope)),
  ],
  fetch: ["a function like fetch", isFunction],
};

export const serverChecks: Checks<ServerTokenOptions> = {
  ...commonChecks,
  instanceHost: [
    'a host name without a scheme, such as "example.zitadel.cloud"',
    (value) => typeof value === "string" && /^[\w.-]+(?::\d+)?$/.test(value),
  ],
  allowInsecure: boolean,
};

/**
 * @param caller the function that takes the options, for the message.
 * @returns a frozen copy of the options; later changes to the original have no effect.
 * @throws TypeError naming the option and what is allowed. The given value is not shown: it may be a secret
 * in the wrong place.
 */
export function checkTokenOptions<O extends CommonTokenOptions>(
  caller: string,
  options: O,
  checks: Checks<O>,
  required: readonly (keyof O & string)[],
): Readonly<O> {
  if (typeof document !== "undefined" && (options as ServerTokenOptions)?.instanceHost) {
    throw new TypeError(
      `${caller}: instanceHost is not allowed in a web page: ZITADEL's CORS rules reject requests with it`,
    );
  }
  const checked = checkOptions(options, checks, { caller, required, show: kindOf });
  const { issuer, allowInsecure } = checked as ServerTokenOptions;
  if (!isSecure(new URL(issuer), allowInsecure)) {
    throw new TypeError(
      `${caller}: issuer must be https, since secrets would travel in cleartext to it${"allowInsecure" in checks ? ". Set allowInsecure: true where the network is yours" : ""}`,
    );
  }
  return checked;
}

/** Whether secrets may be sent there: over https, to loopback, or where the caller allows it. */
export function isSecure(url: URL, allowInsecure = false): boolean {
  return (
    url.protocol === "https:" ||
    (url.protocol === "http:" && (allowInsecure || isLoopback(url.hostname)))
  );
}

/** Makes ZITADEL accept the token for its own APIs; without it, every call fails with AUTH-7fs1e. */
const audienceScope = "urn:zitadel:iam:org:project:id:zitadel:aud";

/** The scope parameter (RFC 6749, section 3.3): the scopes that are always requested, then the caller's. */
export function scopeParameter(scopes: readonly string[] = []): string {
  return [...new Set(["openid", audienceScope, ...scopes])].join(" ");
}
