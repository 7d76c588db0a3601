import { isLoopback } from "../common/loopback.js";
import { type Check, type Checks, checkOptions, isFunction, kindOf } from "../options/checker.js";

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
  /**
   * The instance's own domain, such as "example.zitadel.cloud", where `issuer` is another address of the
   * server (inside a cluster): it is sent as `x-zitadel-instance-host`. The discovery document must name
   * an issuer on this host; tokens are requested at the address. ZITADEL's CORS rules reject the header
   * in a web page.
   */
  instanceHost?: string | undefined;
}

export const text: Check = [
  "a string that is not empty",
  (value) =>
    typeof value === "string" &&
    value !== "" &&
    (isWellFormed(value) ||
      "Unicode text, which it is not: half of a surrogate pair is missing. Was it read in the right encoding?"),
];

/** Half a surrogate pair has no encoding in UTF-8: it could not be sent. */
function isWellFormed(value: string): boolean {
  return !/\p{Surrogate}/u.test(value);
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
      if (url.username !== "" || url.password !== "" || /[?#]/.test(value)) {
        return `${issuerText}, without credentials, query or fragment`;
      }
      return isSecure(url) || "https, since secrets would travel in cleartext to it";
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
  instanceHost: [
    'a host name without a scheme, such as "example.zitadel.cloud"',
    (value) => typeof value === "string" && /^[\w.-]+(?::\d+)?$/.test(value),
  ],
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
  return checkOptions(options, checks, { caller, required, show: kindOf });
}

/** Whether secrets may be sent there: over https, or to loopback. */
export function isSecure(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

/** Makes ZITADEL accept the token for its own APIs; without it, every call fails with AUTH-7fs1e. */
const audienceScope = "urn:zitadel:iam:org:project:id:zitadel:aud";

/** The scope parameter (RFC 6749, section 3.3): the scopes that are always requested, then the caller's. */
export function scopeParameter(scopes: readonly string[] = []): string {
  return [...new Set(["openid", audienceScope, ...scopes])].join(" ");
}
