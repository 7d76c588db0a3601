import * as oauth from "oauth4webapi";
import { type Environment, platform } from "../common/time.js";
import {
  certificate,
  describeFailure,
  hasCode,
  isNetworkFailure,
  isPermanent,
  nothingSent,
} from "../errors/failure.js";
import { type Checks, isObject, oneOf, own, text } from "../options/checker.js";
import type { TokenSource } from "../options/options.js";
import { createServerClock, type ServerClock } from "./clock.js";
import { createDiscover } from "./discovery.js";
import {
  type Channel,
  type Exchange,
  type Explanation,
  few,
  type HttpOptions,
  requestTokens,
} from "./endpoint.js";
import { type CheckedKey, readKeyFile, type ServiceUserKey } from "./key.js";
import {
  checkTokenOptions,
  type ServerTokenOptions,
  scopeParameter,
  serverChecks,
} from "./options.js";
import { createTokenSource, type HeldToken } from "./source.js";
import { TokenError } from "./token-error.js";

/** Options of `serviceUser`. */
export interface ServiceUserOptions extends ServerTokenOptions {}

/** Of `serviceUser` and `clientCredentials`. */
const deactivated = { "Errors.User.NotActive": "This user is deactivated or locked in ZITADEL" };

const rejectedAssertion =
  "Usual causes: the key was removed, issuer is another instance than the key's, or the clock of this machine is off";

/** ZITADEL rejects an assertion issued in its future, even by a second. */
const issuedBeforeSeconds = 60;
/** ZITADEL accepts assertions up to an hour old, so a clock that is behind by less does no harm. */
const assertionLifetimeSeconds = 3600;
/** Clock skew is rarely larger. */
const maxClockErrorMs = 86_400_000;

/**
 * A token source for a service user with a key file (RFC 7523, section 2.1). Tokens are renewed before they
 * expire. It works wherever there is WebCrypto; the key never leaves the process.
 *
 * The source rejects with `Unauthenticated` when the server rejects the key or sends an invalid response, or
 * when the key has expired; with `Unavailable` when the server cannot be reached; and with `DeadlineExceeded`
 * or `Canceled` when the call's signal is aborted. It waits 25 s at most, or 30 s without a signal.
 *
 * @param key the content of the key file: an object, its JSON text or its bytes, in UTF-8 or UTF-16, or what
 * ZITADEL's API returns for a new key (`keyDetails`, base64).
 * @param options `issuer` is required.
 * @returns a function for the option `token` of a client.
 * @throws TypeError naming the option or the field of the key file that is missing, invalid or unknown, or
 * the date on which the key expired.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { createManagementClient } from "zitadel-user-grants";
 * import { serviceUser } from "zitadel-user-grants/auth";
 *
 * const baseUrl = "https://example.zitadel.cloud";
 * const token = serviceUser(await readFile("key.json", "utf8"), { issuer: baseUrl });
 * const client = createManagementClient({ baseUrl, token });
 * ```
 */
export function serviceUser(
  key: ServiceUserKey | string | Uint8Array,
  options: ServiceUserOptions,
): TokenSource {
  return createServiceUser(key, options, platform);
}

export function createServiceUser(
  key: ServiceUserKey | string | Uint8Array,
  given: ServiceUserOptions,
  environment: Environment,
): TokenSource {
  const checked = readKeyFile(key);
  const options = checkTokenOptions("serviceUser", given, serverChecks, ["issuer"]);
  const clock = createServerClock(environment);
  // A key that expired a moment ago may still be valid: the clock may be off, and the server's clock decides.
  const expired = expiry(checked, environment.wallMs() - maxClockErrorMs);
  if (expired !== undefined) {
    throw new TypeError(expired);
  }
  // Not a promise of it: on Cloudflare Workers, calls can share nothing that one of them waits for.
  let imported: CryptoKey | undefined;
  return createServiceTokenSource(
    {
      clientId: checked.userId,
      clock,
      causes: {
        ...deactivated,
        invalid_grant: rejectedAssertion,
        // What v2.70 responds with to every assertion that it rejects.
        server_error: rejectedAssertion,
      },
      send: async (server, client, http) => {
        const message = expiry(checked, clock.nowMs());
        if (message !== undefined) {
          const text = [message, clock.complaint()].filter(Boolean).join(". ");
          throw new TokenError(text, "unauthenticated");
        }
        imported ??= await importKey(checked);
        const assertion = await sign(checked, imported, server, clock.nowMs());
        return oauth.genericTokenEndpointRequest(
          server,
          client,
          // The assertion identifies the client; ZITADEL expects no other client authentication.
          () => {},
          "urn:ietf:params:oauth:grant-type:jwt-bearer",
          { scope: scopeParameter(options.scopes), assertion },
          http,
        );
      },
    },
    options,
    environment,
  );
}

function expiry({ expiresAtMs }: CheckedKey, nowMs: number): string | undefined {
  return expiresAtMs <= nowMs
    ? `the key of this service user expired on ${new Date(expiresAtMs).toISOString()}: make a new one in ZITADEL`
    : undefined;
}

async function importKey({ privateKey }: CheckedKey): Promise<CryptoKey> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new TokenError(
      "serviceUser signs with WebCrypto, and this runtime has no crypto.subtle: use clientCredentials, or a page served over https",
      "failed_precondition",
    );
  }
  try {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return await crypto.subtle.importKey("pkcs8", privateKey, algorithm, false, ["sign"]);
  } catch {
    throw new TokenError("key.key of the key file is not a usable RSA key", "unauthenticated");
  }
}

/** The same JWT as for client authentication (RFC 7523, section 3), which oauth4webapi signs. */
async function sign(
  { keyId, userId }: CheckedKey,
  key: CryptoKey,
  server: oauth.AuthorizationServer,
  nowMs: number,
): Promise<string> {
  const iat = Math.floor(nowMs / 1000) - issuedBeforeSeconds;
  const authenticate = oauth.PrivateKeyJwt(
    { key, kid: keyId },
    {
      [oauth.modifyAssertion]: (_, payload) => {
        Object.assign(payload, { iat, exp: iat + assertionLifetimeSeconds });
        delete payload.nbf;
        delete payload.jti;
      },
    },
  );
  const body = new URLSearchParams();
  await authenticate(server, own({ client_id: userId }), body, new Headers());
  return body.get("client_assertion") ?? "";
}

/** Options of `clientCredentials`. */
export interface ClientCredentialsOptions extends ServerTokenOptions {
  /** The client id that ZITADEL shows with the secret of a service user. */
  clientId: string;
  clientSecret: string;
  /**
   * How the secret is sent (RFC 6749, section 2.3.1): in an `authorization` header, percent-encoded, or in
   * the body. ZITADEL supports both. Default `client_secret_basic`.
   */
  tokenEndpointAuthMethod?: "client_secret_basic" | "client_secret_post" | undefined;
}

const clientChecks: Checks<ClientCredentialsOptions> = {
  ...serverChecks,
  clientId: text,
  clientSecret: text,
  tokenEndpointAuthMethod: oneOf(["client_secret_basic", "client_secret_post"]),
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
 * import { clientCredentials } from "zitadel-user-grants/auth";
 *
 * const issuer = "https://example.zitadel.cloud";
 * const token = clientCredentials({ issuer, clientId: "admin", clientSecret: "…" });
 * ```
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  return createClientCredentials(options, platform);
}

export function createClientCredentials(
  given: ClientCredentialsOptions,
  environment: Environment,
): TokenSource {
  const options = checkTokenOptions("clientCredentials", given, clientChecks, [
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
        ...deactivated,
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

/** How a service user gets its tokens. */
interface ServiceTokenRequest {
  readonly clientId: string;
  readonly causes: Exchange["causes"];
  /** A secret that the requests carry in another form. */
  readonly secret?: string | undefined;
  readonly clock?: ServerClock;
  /** Sends the token request. @throws TokenError when there is nothing to send. */
  send(
    server: oauth.AuthorizationServer,
    client: oauth.Client,
    http: HttpOptions,
  ): Promise<Response>;
}

/** A token source that keeps its token in memory and gets each token with the same request. */
function createServiceTokenSource(
  request: ServiceTokenRequest,
  options: ServerTokenOptions,
  environment: Environment,
): TokenSource {
  const channel: Channel = own({
    fetch: options.fetch,
    instanceHost: options.instanceHost,
    environment,
    ...(request.clock && { clock: request.clock }),
    ...(request.secret && { secret: request.secret }),
    explain,
  });
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
        const server = await discover(signal);
        const what: Exchange = {
          step: "token request",
          endpoint: String(server.token_endpoint),
          causes: request.causes,
        };
        const obtainedAtMonotonicMs = environment.monotonicMs();
        const tokens = await requestTokens(
          channel,
          what,
          signal,
          (http) => request.send(server, client, http),
          async (response) =>
            oauth.processGenericTokenEndpointResponse(
              server,
              client,
              await withoutIdToken(response),
            ),
        );
        held = { ...tokens, obtainedAtMonotonicMs };
        return held;
      },
      credential: () => undefined,
      finishesAttempts: false,
    },
    environment,
  );
}

function explain(reason: unknown): Explanation {
  const isUntrusted = hasCode(reason, certificate);
  const advice = isUntrusted
    ? "trust the authority of the certificate (NODE_EXTRA_CA_CERTS, or the option fetch): "
    : "";
  return {
    text: `${nothingSent(reason) ? "was not sent" : "got no response"}: ${advice}${describeFailure(reason)}`,
    maxAttempts: isUntrusted ? 1 : isPermanent(reason) ? few : Infinity,
    isMistake: reason instanceof TypeError && !("code" in reason) && !isNetworkFailure(reason),
  };
}

/** Identifies a person; a service user needs no ID token, and ZITADEL does not name it as audience there. */
async function withoutIdToken(response: Response): Promise<Response> {
  const { headers } = response;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return isObject(body) ? Response.json({ ...body, id_token: undefined }, { headers }) : response;
}
