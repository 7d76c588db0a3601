import { Code } from "@connectrpc/connect";
import * as oauth from "oauth4webapi";
import { checkOptions } from "../../options/checker.js";
import { scopeParameter } from "../endpoint/scopes.js";
import { retryingFor } from "../tokens/retrying.js";
import { tokenError } from "../tokens/token-error.js";
import { patienceMs } from "../tokens/waiting.js";
import { isOwnState, makeState, putAttempt } from "./attempt.js";
import type { SignInContext } from "./context.js";
import { type StartOptions, startChecks } from "./options.js";
import { returnAddress, withoutResponse } from "./return-address.js";

/** Redirects to the login page: OpenID Connect Core 1.0, section 3.1.2.1, with PKCE (RFC 7636). */
export async function startSignIn(context: SignInContext, given: StartOptions): Promise<void> {
  const { options, channel, discover, key } = context;
  const { clientId, redirectUri } = options;
  const start = checkOptions(given, startChecks, { caller: "start" });
  const { origin } = new URL(redirectUri);
  if (origin !== location.origin) {
    throw new TypeError(
      `redirectUri must be on the page's own origin, ${location.origin}; it is on ${origin}`,
    );
  }
  if (!isSecureContext) {
    throw new TypeError("signIn needs a page served over https, or from this machine");
  }
  const { href } = location;
  const here = isOwnState(new URL(href).searchParams.get("state")) ? withoutResponse(href) : href;
  const returnTo = returnAddress(start.returnTo ?? here, here);
  const server = await retryingFor(channel.environment, patienceMs, discover);
  const { authorization_endpoint: endpoint } = server;
  if (endpoint === undefined) {
    throw tokenError(
      `${options.issuer} names no authorization_endpoint in its discovery document: it cannot sign in users. Is issuer the origin of a ZITADEL instance?`,
      Code.Unauthenticated,
    );
  }
  const state = makeState(oauth.generateRandomState());
  const nonce = oauth.generateRandomNonce();
  const codeVerifier = oauth.generateRandomCodeVerifier();
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries({
    ...start.parameters,
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: scopeParameter([...(options.scopes ?? []), ...(start.scopes ?? [])]),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
  })) {
    url.searchParams.set(name, value);
  }
  const startedAtMs = channel.environment.wallMs();
  putAttempt(key, state, { nonce, codeVerifier, returnTo, startedAtMs });
  location.assign(url);
}
