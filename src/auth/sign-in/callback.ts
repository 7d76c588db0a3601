/** Prefix of each `state` of this package: a page may use a parameter of this name itself. */
export const statePrefix = "zitadel-user-grants-";

/** The name under which a sign-in is stored while the user is at the login page. */
export function attemptName(key: string, state: string): string {
  return `${key}:state:${state}`;
}

/**
 * The parameters of the authorization server's response, if the URL is the response to a sign-in of this
 * package. Its `state` says so, and not its path: hosts rewrite addresses ("/callback" to "/callback/").
 *
 * @param href a whole URL; routers have it without the origin.
 */
export function readResponse(redirectUri: string, href: string): URLSearchParams | undefined {
  if (!URL.canParse(href, redirectUri)) {
    return undefined;
  }
  const { origin, searchParams } = new URL(href, redirectUri);
  return origin === new URL(redirectUri).origin &&
    searchParams.get("state")?.startsWith(statePrefix) &&
    (searchParams.has("code") || searchParams.has("error"))
    ? searchParams
    : undefined;
}

/** States of responses that this page has begun to handle. */
const handled = new Set<string>();

/**
 * Whether a response belongs to another sign-in of the page, which has not handled it yet or has just done so.
 * It is marked as handled otherwise.
 */
export function isOfAnother(key: string, state: string): boolean {
  if (handled.has(state)) {
    return true;
  }
  const own = attemptName(key, state);
  let names: string[] = [];
  try {
    names = Object.keys(sessionStorage);
  } catch {
    // Blocked: nothing is stored.
  }
  if (!names.includes(own) && names.some((name) => name.endsWith(attemptName("", state)))) {
    return true;
  }
  handled.add(state);
  return false;
}

/**
 * Takes the response out of the page's address, if it is there: a code belongs in no history and in no
 * Referer header.
 *
 * @returns whether it was there. A router may pass the address, or a part of it.
 */
export function clearAddress(redirectUri: string, state: string): boolean {
  const href = globalThis.location?.href;
  if (href === undefined || readResponse(redirectUri, href)?.get("state") !== state) {
    return false;
  }
  history.replaceState(history.state, "", withoutResponse(href));
  return true;
}

/** Parameters that authorization servers add to the redirect URI. */
const responseParameters = [
  "code",
  "state",
  "iss",
  "session_state",
  "error",
  "error_description",
  "error_uri",
];

/** A page's address without the parameters of an authorization response, otherwise unchanged. */
export function withoutResponse(href: string): string {
  const url = new URL(href);
  // By hand: `searchParams` would reserialize the rest of the query ("?a" as "?a=").
  url.search = url.search
    .slice(1)
    .split("&")
    .filter((parameter) => {
      const [name = ""] = new URLSearchParams(parameter).keys();
      return !responseParameters.includes(name);
    })
    .join("&");
  return url.href;
}
