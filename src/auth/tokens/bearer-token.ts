import type { TokenEndpointResponse } from "oauth4webapi";
import type { Exchange } from "../endpoint/exchange.js";
import { unexpectedResponse } from "../endpoint/unexpected-response.js";

/**
 * The bearer token of a token response.
 *
 * @throws the error of `tokenError` for a token that cannot be sent in a header.
 */
export function bearerToken(what: Exchange, response: TokenEndpointResponse): string {
  if (response.token_type !== "bearer") {
    throw unexpectedResponse(what, "its token is not a bearer token");
  }
  // RFC 6750, section 2.1, limited to what a header can carry.
  if (!/^[\x21-\x7e]+$/.test(response.access_token)) {
    throw unexpectedResponse(what, "its token has characters that are not allowed in a header");
  }
  return response.access_token;
}
