import * as oauth from "oauth4webapi";
import { type Environment, platform } from "../../common/environment.js";
import type { Checks } from "../../options/checker.js";
import type { TokenSource } from "../../options/token-source.js";
import {
  type CommonTokenOptions,
  checkTokenOptions,
  commonChecks,
  text,
} from "../endpoint/options.js";
import { scopeParameter } from "../endpoint/scopes.js";
import { createServiceTokenSource } from "./token-source.js";

/** Options of `clientCredentials`. */
export interface ClientCredentialsOptions extends CommonTokenOptions {
  /** The client id that ZITADEL shows with the secret of a service user. */
  clientId: string;
  clientSecret: string;
  /**
   * How the secret is sent (RFC 6749, section 2.3.1): in an `authorization` header, percent-encoded, or in
   * the body. ZITADEL supports both. Default `client_secret_basic`.
   */
  tokenEndpointAuthMethod?: "client_secret_basic" | "client_secret_post" | undefined;
}

const checks: Checks<ClientCredentialsOptions> = {
  ...commonChecks,
  clientId: text,
  clientSecret: text,
  tokenEndpointAuthMethod: [
    '"client_secret_basic" or "client_secret_post"',
    (value) => value === "client_secret_basic" || value === "client_secret_post",
  ],
};

/**
 * A token source for a service user with a client id and secret (RFC 6749, section 4.4). Tokens are renewed
 * before they expire.
 *
 * The source rejects with `Unauthenticated` when the server rejects the secret or sends an invalid response,
 * with `Unavailable` when it cannot be reached, and with `DeadlineExceeded` or `Canceled` when the call's
 * signal is aborted. It waits 25 s at most, or 30 s without a signal.
 *
 * @param options `issuer`, `clientId` and `clientSecret` are required.
 * @returns a function for the option `token` of a client.
 * @throws TypeError naming the option that is missing, invalid or unknown.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { clientCredentials } from "zitadel-user-grants/auth";
 *
 * const baseUrl = "https://example.zitadel.cloud";
 * const { ZITADEL_CLIENT_ID = "", ZITADEL_CLIENT_SECRET = "" } = process.env;
 * const token = clientCredentials({
 *   issuer: baseUrl,
 *   clientId: ZITADEL_CLIENT_ID,
 *   clientSecret: ZITADEL_CLIENT_SECRET,
 * });
 * const client = createManagementClient({ baseUrl, token });
 * ```
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  return createClientCredentials(options, platform);
}

export function createClientCredentials(
  given: ClientCredentialsOptions,
  environment: Environment,
): TokenSource {
  const options = checkTokenOptions("clientCredentials", given, checks, [
    "issuer",
    "clientId",
    "clientSecret",
  ]);
  const { clientId, clientSecret, tokenEndpointAuthMethod, scopes } = options;
  const authenticate =
    tokenEndpointAuthMethod === "client_secret_post"
      ? oauth.ClientSecretPost(clientSecret)
      : oauth.ClientSecretBasic(clientSecret);
  return createServiceTokenSource(
    {
      clientId,
      secret: clientSecret,
      causes: {
        invalid_request:
          "Usual causes: clientSecret is wrong or has been replaced, or was made a moment ago and is not known everywhere yet",
        invalid_client: "Usual causes: clientId is wrong, or issuer is another instance",
        unauthorized_client: "Usual cause: this user may not use client credentials",
      },
      send: (server, client, httpOptions) =>
        oauth.clientCredentialsGrantRequest(
          server,
          client,
          authenticate,
          { scope: scopeParameter(scopes) },
          httpOptions,
        ),
    },
    options,
    environment,
  );
}
