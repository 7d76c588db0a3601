import type { TokenEndpointResponse } from "oauth4webapi";
import type { Exchange } from "../endpoint/exchange.js";
import { unexpectedResponse } from "../endpoint/unexpected-response.js";

/** @throws the error of `tokenError` for a token that cannot be sent in a header. */
export function bearerToken(what: Exchange, answer: TokenEndpointResponse): string {
  if (answer.token_type !== "bearer") {
    throw unexpectedResponse(what, "its token is no bearer token");
  }
  // RFC 6750, section 2.1, limited to what a header can carry.
  if (!/^[\x21-\x7e]+$/.test(answer.access_token)) {
    throw unexpectedResponse(what, "its token holds characters that no header can carry");
  }
  return answer.access_token;
}
