import { isOwnState } from "./attempt.js";
import { withoutResponse } from "./return-address.js";

/** The parameters of the authorization server's response, where the URL is one to a sign-in of ours. */
export function readResponse(redirectUri: string, href: string): URLSearchParams | undefined {
  const url = new URL(href);
  const expected = new URL(redirectUri);
  const { searchParams } = url;
  return url.origin === expected.origin &&
    url.pathname === expected.pathname &&
    isOwnState(searchParams.get("state")) &&
    (searchParams.has("code") || searchParams.has("error"))
    ? searchParams
    : undefined;
}

/** Takes the response from the page's address: a code is for nobody's history and for no Referer header. */
export function clearAddress(): void {
  history.replaceState(history.state, "", withoutResponse(location.href));
}
