import { isOwnState } from "./attempt.js";
import { withoutResponse } from "./return-address.js";

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
