import * as oauth from "oauth4webapi";
import type { TokenSource } from "../../options/token-source.js";
import { createDiscover } from "../endpoint/discovery.js";
import type { CommonTokenOptions } from "../endpoint/options.js";
import { type Exchange, exchange, type HttpOptions, interpret } from "../endpoint/request.js";
import { bearerToken } from "../tokens/bearer-token.js";
import type { Environment } from "../tokens/environment.js";
import { startLifetime } from "../tokens/lifetime.js";
import { createTokenSource, type HeldToken } from "../tokens/renewal.js";

/** How a program that acts for itself gets its tokens. */
export interface Grant {
  readonly clientId: string;
  readonly causes: Exchange["causes"];
  readonly secrets?: readonly string[] | undefined;
  /** Checks what can be checked without the server; throws what `tokenError` makes. */
  check?(): Promise<void>;
  /** Sends the token request. */
  send(
    server: oauth.AuthorizationServer,
    client: oauth.Client,
    options: HttpOptions,
  ): Promise<Response>;
}

/** A token source that keeps its token in memory and gets another by the same grant. */
export function createGrantSource(
  grant: Grant,
  { issuer, fetch }: CommonTokenOptions,
  environment: Environment,
): TokenSource {
  const channel = { environment, fetch };
  const discover = createDiscover(channel, issuer);
  const client: oauth.Client = { client_id: grant.clientId };
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
        await grant.check?.();
        const server = await discover(signal);
        const what: Exchange = {
          step: "token request",
          endpoint: String(server.token_endpoint),
          causes: grant.causes,
          secrets: grant.secrets,
        };
        const lifetime = startLifetime(environment);
        const response = await exchange(channel, what, signal, (options) =>
          grant.send(server, client, options),
        );
        const answer = await interpret(what, async () =>
          oauth.processGenericTokenEndpointResponse(server, client, await withoutIdToken(response)),
        );
        held = { token: bearerToken(what, answer), lifetime: lifetime(answer.expires_in) };
        return held;
      },
      finishesAttempts: false,
    },
    environment,
  );
}

/** Says who a person is; a program knows who it is, and ZITADEL does not name it as audience there. */
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
