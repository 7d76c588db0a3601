import { isLoopback } from "../../common/loopback.js";

/** What every token source takes. */
export interface CommonTokenOptions {
  /**
   * The instance's origin, as in its discovery document: `https:`, or `http:` on this machine alone.
   * For example "https://example.zitadel.cloud".
   */
  issuer: string;
  /**
   * Scopes to ask for beside `openid` and `urn:zitadel:iam:org:project:id:zitadel:aud`, which are
   * always asked for: ZITADEL refuses calls whose token lacks the second (AUTH-7fs1e).
   */
  scopes?: readonly string[] | undefined;
  /**
   * Called in place of the global `fetch`, for a proxy or a private certificate authority, say. It
   * must not follow redirects where `redirect: "manual"` asks it not to.
   */
  fetch?: typeof globalThis.fetch | undefined;
  /**
   * The instance's own domain, such as "example.zitadel.cloud", where `issuer` is another address of the
   * server (inside a cluster): it is sent as `x-zitadel-instance-host`. The discovery document must name
   * an issuer on this host; tokens are requested at the address. ZITADEL's CORS rules reject the header
   * in a web page.
   */
  instanceHost?: string | undefined;
}

/** Says what is allowed when a value is not, and nothing otherwise. The value itself is never shown. */
export type Check = (value: unknown) => string | undefined;

/** One check for each option: a type that forgets one does not compile. */
export type Checks<O> = { readonly [K in keyof Required<O>]: Check };

export const text: Check = (value) => {
  if (typeof value !== "string" || value === "") {
    return "a string that is not empty";
  }
  return isWellFormed(value)
    ? undefined
    : "Unicode text, which it is not: half of a surrogate pair is missing. Was it read in the right encoding?";
};

/** Half a surrogate pair has no encoding in UTF-8: it could not be sent. */
function isWellFormed(value: string): boolean {
  return !/\p{Surrogate}/u.test(value);
}

export const commonChecks: Checks<CommonTokenOptions> = {
  issuer: (value) => {
    const allowed = 'the origin of the instance, such as "https://example.zitadel.cloud"';
    if (typeof value !== "string" || !URL.canParse(value)) {
      return allowed;
    }
    const url = new URL(value);
    if (url.username !== "" || url.password !== "" || /[?#]/.test(value)) {
      return `${allowed}, without credentials, query or fragment`;
    }
    return isSecure(url) ? undefined : "https, since secrets would travel in cleartext to it";
  },
  scopes: (value) =>
    // RFC 6749, section 3.3: visible ASCII but for the quote and the backslash.
    value === undefined ||
    (Array.isArray(value) &&
      value.every((scope) => typeof scope === "string" && /^[!#-[\]-~]+$/.test(scope)))
      ? undefined
      : 'an array of scopes, such as ["profile", "email"]',
  fetch: (value) =>
    value === undefined || typeof value === "function" ? undefined : "a function like fetch",
  instanceHost: (value) =>
    value === undefined || (typeof value === "string" && /^[\w.-]+(?::\d+)?$/.test(value))
      ? undefined
      : 'a host name without a scheme, such as "example.zitadel.cloud"',
};

/**
 * @param source for the message: the function that takes the options.
 * @throws TypeError naming the option and what is allowed. What was given is not shown: it may be a
 * secret in the wrong place.
 */
export function checkOptions<O extends object>(
  source: string,
  options: O,
  checks: Checks<O>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `${source}: options must be an object with an issuer, got ${kind(options)}`,
    );
  }
  const known = Object.keys(checks);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TypeError(
        `${source}: unknown option ${JSON.stringify(name)}. Known are: ${known.join(", ")}`,
      );
    }
  }
  for (const name of known) {
    const value = options[name as keyof O];
    const allowed = checks[name as keyof O](value);
    if (allowed !== undefined) {
      throw new TypeError(`${source}: ${name} must be ${allowed}; got ${kind(value)}`);
    }
  }
}

/** Whether secrets may travel there: https, or no further than this machine. */
export function isSecure(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

/** What a value is, without showing it. */
export function kind(value: unknown): string {
  if (value === undefined) {
    return "nothing";
  }
  if (typeof value === "string") {
    return value === "" ? "an empty string" : `a string of ${value.length} characters`;
  }
  return value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : `a value of type ${typeof value}`;
}
