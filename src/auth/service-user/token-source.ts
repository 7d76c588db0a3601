import * as oauth from "oauth4webapi";
import type { Environment } from "../../common/environment.js";
import { own } from "../../options/checker.js";
import type { TokenSource } from "../../options/token-source.js";
import { createChannel, keepSecret } from "../endpoint/channel.js";
import { createDiscover } from "../endpoint/discovery.js";
import { type Exchange, exchange, type HttpOptions } from "../endpoint/exchange.js";
import type { CommonTokenOptions } from "../endpoint/options.js";
import type { ServerClock } from "../endpoint/server-clock.js";
import { interpret } from "../endpoint/unexpected-response.js";
import { bearerToken } from "../tokens/bearer-token.js";
import type { HeldToken } from "../tokens/lifetime.js";
import { startLifetime } from "../tokens/lifetime.js";
import { createTokenSource } from "../tokens/renewal.js";
import { unrefFetch } from "./unref-fetch.js";

/** How a service user gets its tokens. */
export interface ServiceTokenRequest {
  readonly clientId: string;
  readonly causes: Exchange["causes"];
  /** A secret that the requests carry in another form. */
  readonly secret?: string | undefined;
  /** Checks that need the server's time, but no request. @throws the error of `tokenError`. */
  check?(clock: ServerClock): Promise<void>;
  /** Sends the token request. */
  send(
    server: oauth.AuthorizationServer,
    client: oauth.Client,
    options: HttpOptions,
    clock: ServerClock,
  ): Promise<Response>;
}

/** A token source that keeps its token in memory and gets each token with the same request. */
export function createServiceTokenSource(
  request: ServiceTokenRequest,
  options: CommonTokenOptions,
  environment: Environment,
): TokenSource {
  const channel = createChannel(own({ ...options, fetch: unrefFetch(options.fetch) }), environment);
  const { clock } = channel;
  const discover = createDiscover(channel, options.issuer);
  const client = own<oauth.Client>({ client_id: request.clientId });
  let held: HeldToken | undefined;
  return createTokenSource(
    {
      held: () => held,
      drop: (token) => {
        if (held?.token === token) {
          held = undefined;
        }
      },
      renew: async (signal) => {
        keepSecret(channel, request.secret);
        // First, since its response shows the server's time.
        const server = await discover(signal);
        await request.check?.(clock);
        const what: Exchange = {
          step: "token request",
          endpoint: String(server.token_endpoint),
          causes: request.causes,
        };
        const lifetime = startLifetime(environment);
        const response = await exchange(channel, what, signal, (httpOptions) =>
          request.send(server, client, httpOptions, clock),
        );
        const tokens = await interpret(what, async () =>
          oauth.processGenericTokenEndpointResponse(server, client, await withoutIdToken(response)),
        );
        const token = bearerToken(what, tokens);
        keepSecret(channel, token);
        held = { token, lifetime: lifetime(tokens.expires_in) };
        return held;
      },
      finishesAttempts: false,
    },
    environment,
  );
}

/** Identifies a person; a service user needs no ID token, and ZITADEL does not name it as audience there. */
async function withoutIdToken(response: Response): Promise<Response> {
  const { headers } = response;
  const text = await response.text();
  try {
    const { id_token: _, ...rest } = JSON.parse(text);
    return new Response(JSON.stringify(rest), { headers });
  } catch {
    return new Response(text, { headers });
  }
}
