/**
 * The parameters of the authorization server's response, if the URL is the response to a sign-in of this
 * package. Routers have it without the origin.
 */
export function readResponse(redirectUri: string, href: string): URLSearchParams | undefined {
  if (!URL.canParse(href, redirectUri)) {
    return undefined;
  }
  const url = new URL(href, redirectUri);
  const expected = new URL(redirectUri);
  const { searchParams } = url;
  return url.origin === expected.origin &&
    url.pathname === expected.pathname &&
    isOwnState(searchParams.get("state")) &&
    (searchParams.has("code") || searchParams.has("error"))
    ? searchParams
    : undefined;
}

/** Whether the page's own address is the response with this state. */
export function isInAddress(redirectUri: string, state: string): boolean {
  const href = globalThis.location?.href;
  return href !== undefined && readResponse(redirectUri, href)?.get("state") === state;
}

/** Removes the response from the page's address: a code belongs in no history and in no Referer header. */
export function clearAddress(): void {
  history.replaceState(history.state, "", withoutResponse(location.href));
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

/**
 * Where to go after sign-in, relative to the origin.
 *
 * @throws TypeError when it is on another origin: it would be an open redirect.
 */
export function returnAddress(href: string, base: string): string {
  if (typeof href !== "string" || !URL.canParse(href, base)) {
    throw new TypeError("returnTo must be a URL, absolute or relative to the page");
  }
  const url = new URL(href, base);
  const page = new URL(base);
  // "blob:" has the origin of what is in it, and a whole URL for its path.
  if (url.origin !== page.origin || url.protocol !== page.protocol) {
    throw new TypeError(
      `returnTo must be on the origin of the page, ${page.origin}; got one on ${url.protocol === "blob:" ? url.protocol : url.origin}`,
    );
  }
  // "//host/path" would be resolved as another host.
  return url.pathname.replace(/^\/+/, "/") + url.search + url.hash;
}

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

/** Prefix of each `state` of this package: a page may use a parameter of this name itself. */
const statePrefix = "zitadel-user-grants-";

export function makeState(random: string): string {
  return statePrefix + random;
}

export function isOwnState(state: string | null): state is string {
  return state?.startsWith(statePrefix) === true;
}
