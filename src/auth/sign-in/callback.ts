/** Prefix of every `state` of this package: a page may use a parameter of this name itself. */
export const statePrefix = "zitadel-user-grants-";

/** Prefix of the states of one sign-in: with several on a page, each takes its own responses. */
export function statePrefixOf(key: string): string {
  return statePrefix + key.slice(statePrefix.length).replace(/\W+/g, "-");
}

/**
 * The parameters of the authorization server's response, if the URL is the response to a sign-in with this
 * key. Its `state` says so, and not its path: hosts rewrite addresses ("/callback" to "/callback/").
 *
 * @param href a whole URL; routers have it without the origin.
 */
export function readResponse(
  key: string,
  redirectUri: string,
  href: string,
): URLSearchParams | undefined {
  if (!URL.canParse(href, redirectUri)) {
    return undefined;
  }
  const { origin, searchParams } = new URL(href, redirectUri);
  return origin === new URL(redirectUri).origin &&
    searchParams.get("state")?.startsWith(statePrefixOf(key)) &&
    (searchParams.has("code") || searchParams.has("error"))
    ? searchParams
    : undefined;
}

/**
 * Takes the response with this state out of the page's address, if it is there: a code belongs in no history
 * and in no Referer header.
 *
 * @returns whether it was there. A router may pass the address, or a part of it.
 */
export function clearAddress(state: string | null): boolean {
  const href = globalThis.location?.href;
  if (href === undefined || new URL(href).searchParams.get("state") !== state) {
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
