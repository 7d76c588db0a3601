import { isLoopback } from "../../common/loopback.js";
import {
  type Check,
  type Checks,
  checkOptions,
  isFunction,
  kindOf,
} from "../../options/checker.js";

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
    // RFC 6749, section 3.3: visible ASCII but for the quote and the backslash.
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
 * @param caller for the message: the function that takes the options.
 * @returns a frozen copy of the options, which is what counts from now on.
 * @throws TypeError naming the option and what is allowed. What was given is not shown: it may be a
 * secret in the wrong place.
 */
export function checkTokenOptions<O extends CommonTokenOptions>(
  caller: string,
  options: O,
  checks: Checks<O>,
  required: readonly (keyof O & string)[],
): Readonly<O> {
  return checkOptions(options, checks, { caller, required, show: kindOf });
}

/** Whether secrets may travel there: https, or no further than this machine. */
export function isSecure(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}
