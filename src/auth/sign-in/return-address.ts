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
