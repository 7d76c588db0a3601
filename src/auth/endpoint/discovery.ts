import * as oauth from "oauth4webapi";
import { isSecure } from "./options.js";
import { type Channel, type Exchange, exchange, interpret, nonsense } from "./request.js";

/** Returns the authorization server's metadata: asked for once, and kept when the answer was good. */
export type Discover = (signal: AbortSignal) => Promise<oauth.AuthorizationServer>;

/** The endpoints that a token source may send secrets to, or a person. */
const endpoints = [
  "token_endpoint",
  "authorization_endpoint",
  "end_session_endpoint",
  "revocation_endpoint",
] as const;

/**
 * OpenID Connect Discovery 1.0. The document must name the issuer that was asked, and endpoints that
 * are no less secure than it: all over https, or on this machine where the issuer is.
 */
export function createDiscover(channel: Channel, issuer: string): Discover {
  const expected = new URL(issuer);
  const what: Exchange = {
    step: "discovery",
    endpoint: `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`,
    causes: { "": "Is issuer the origin of a ZITADEL instance?" },
  };
  let known: oauth.AuthorizationServer | undefined;
  return async (signal) => {
    if (known !== undefined) {
      return known;
    }
    const response = await exchange(channel, what, signal, (options) =>
      oauth.discoveryRequest(expected, options),
    );
    const server = await interpret(what, () => oauth.processDiscoveryResponse(expected, response));
    for (const name of endpoints) {
      const endpoint = server[name];
      if (endpoint === undefined ? name === "token_endpoint" : !mayUse(endpoint, expected)) {
        throw nonsense(
          what,
          endpoint === undefined
            ? `it names no ${name}`
            : `its ${name} is no ${expected.protocol.slice(0, -1)} URL`,
        );
      }
    }
    known = server;
    return server;
  };
}

function mayUse(endpoint: unknown, issuer: URL): boolean {
  if (typeof endpoint !== "string" || !URL.canParse(endpoint)) {
    return false;
  }
  const url = new URL(endpoint);
  return url.protocol === "https:" || (issuer.protocol === "http:" && isSecure(url));
}
