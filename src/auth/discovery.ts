import * as oauth from "oauth4webapi";
import { own } from "../options/checker.js";
import {
  type Channel,
  type Exchange,
  exchange,
  interpret,
  unexpectedResponse,
} from "./endpoint.js";

/** Returns the authorization server's metadata: requested once an hour, and cached if valid. */
export type Discover = (signal: AbortSignal) => Promise<oauth.AuthorizationServer>;

/** The endpoints to which a token source may send secrets, or a user. */
const endpoints = [
  "token_endpoint",
  "authorization_endpoint",
  "end_session_endpoint",
  "revocation_endpoint",
] as const;

/** How long a document is used before it is read again: endpoints move. */
const maxAgeMs = 3_600_000;

/**
 * OpenID Connect Discovery 1.0. The document must name the requested issuer, and endpoints over https or on the
 * issuer's own origin, which may be on loopback.
 *
 * With `instanceHost`, `issuer` is an address of the server, and the document must name an issuer on that
 * host; its endpoints are then used at the address.
 */
export function createDiscover(channel: Channel, issuer: string): Discover {
  const address = new URL(issuer);
  const what: Exchange = {
    step: "discovery",
    endpoint: `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`,
    causes: { "": "Is issuer the origin of a ZITADEL instance?" },
  };
  let known: { readonly server: oauth.AuthorizationServer; readonly readAtMs: number } | undefined;

  const read = async (signal: AbortSignal): Promise<oauth.AuthorizationServer> => {
    const response = await exchange(channel, what, signal, (options) =>
      oauth.discoveryRequest(address, options),
    );
    const { instanceHost } = channel;
    const found = instanceHost === undefined ? address : await issuerOn(instanceHost, response);
    const expected = found ?? address;
    // What is missing here would be read from a polluted prototype: another token endpoint, for example.
    const server: Record<string, unknown> = own({
      ...(await interpret(what, () => oauth.processDiscoveryResponse(expected, response))),
    });
    if (server.token_endpoint === undefined) {
      throw unexpectedResponse(what, "it names no token_endpoint");
    }
    for (const name of endpoints) {
      const endpoint = server[name] === undefined ? undefined : String(server[name]);
      if (endpoint !== undefined) {
        const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
        const isOwn = url?.origin === expected.origin;
        if (url === undefined || !(isOwn || url.protocol === "https:")) {
          const problem = `its ${name} is not an https URL, nor on the issuer's own origin`;
          throw unexpectedResponse(what, problem);
        }
        // An endpoint of the issuer is at the address of its server.
        server[name] = isOwn ? new URL(url.pathname + url.search, address).href : url.href;
      }
    }
    return server as unknown as oauth.AuthorizationServer;
  };

  return async (signal) => {
    const nowMs = channel.environment.monotonicMs();
    if (known === undefined || nowMs - known.readAtMs >= maxAgeMs) {
      known = { server: await read(signal), readAtMs: nowMs };
    }
    return known.server;
  };
}

/** The issuer that a document names, if it is on the requested host. */
async function issuerOn(host: string, response: Response): Promise<URL | undefined> {
  try {
    const { issuer } = await response.clone().json();
    const url = new URL(issuer);
    return url.host === host || url.hostname === host ? url : undefined;
  } catch {
    return undefined;
  }
}
