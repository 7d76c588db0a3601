import { Code } from "@connectrpc/connect";
import { SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import { type Environment, platform } from "../../common/environment.js";
import type { Checks } from "../../options/checker.js";
import type { TokenSource } from "../../options/token-source.js";
import { type CommonTokenOptions, checkTokenOptions, commonChecks } from "../endpoint/options.js";
import { scopeParameter } from "../endpoint/scopes.js";
import { tokenError } from "../tokens/token-error.js";
import { type CheckedKey, readKeyFile, type ServiceUserKey } from "./key-file.js";
import { createServiceTokenSource } from "./token-source.js";

/** Options of `serviceUser`. */
export interface ServiceUserOptions extends CommonTokenOptions {}

const checks: Checks<ServiceUserOptions> = commonChecks;

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
 * @param key the content of the key file: an object, or its JSON text.
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
  key: ServiceUserKey | string,
  options: ServiceUserOptions,
): TokenSource {
  return createServiceUser(key, options, platform);
}

export function createServiceUser(
  key: ServiceUserKey | string,
  given: ServiceUserOptions,
  environment: Environment,
): TokenSource {
  const checked = readKeyFile(key);
  const options = checkTokenOptions("serviceUser", given, checks, ["issuer"]);
  const { wallMs } = environment;
  // A key that expired a moment ago may still be valid: the clock may be off, and the server's clock decides.
  const expired = expiry(checked, wallMs() - maxClockErrorMs);
  if (expired !== undefined) {
    throw new TypeError(expired);
  }
  let imported: Promise<CryptoKey> | undefined;
  const signingKey = () => {
    imported ??= importKey(checked);
    return imported;
  };
  return createServiceTokenSource(
    {
      clientId: checked.userId,
      causes: {
        invalid_grant:
          "Usual causes: the clock of this machine is off, issuer is another instance than the key's, or the key was removed",
      },
      check: async ({ nowMs, complaint }) => {
        const message = expiry(checked, nowMs());
        if (message !== undefined) {
          throw tokenError([message, complaint()].filter(Boolean).join(". "), Code.Unauthenticated);
        }
        await signingKey();
      },
      send: async (server, client, httpOptions, { nowMs }) =>
        oauth.genericTokenEndpointRequest(
          server,
          client,
          // The assertion identifies the client; ZITADEL expects no other client authentication.
          () => {},
          "urn:ietf:params:oauth:grant-type:jwt-bearer",
          {
            scope: scopeParameter(options.scopes),
            assertion: await sign(checked, await signingKey(), server.issuer, nowMs()),
          },
          httpOptions,
        ),
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
  try {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return await crypto.subtle.importKey("pkcs8", privateKey, algorithm, false, ["sign"]);
  } catch {
    throw tokenError(
      "key.key of the key file is not a usable RSA private key: is it complete?",
      Code.Unauthenticated,
    );
  }
}

function sign(
  { keyId, userId }: CheckedKey,
  signingKey: CryptoKey,
  audience: string,
  nowMs: number,
): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000) - issuedBeforeSeconds;
  return new SignJWT()
    .setProtectedHeader({ alg: "RS256", kid: keyId })
    .setIssuer(userId)
    .setSubject(userId)
    .setAudience(audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertionLifetimeSeconds)
    .sign(signingKey);
}
