import { decodeProtectedHeader, jwtVerify } from "jose";
import type { HttpRequest } from "../http/http.js";
import type { User } from "../model/entities.js";
import type { Instance } from "../model/instance.js";
import { issuerOf, OAuthError } from "./response.js";

/**
 * Returns the subject of an assertion: RFC 7523, section 3, with ZITADEL's limits. It may have been issued up
 * to an hour ago, and up to a second in the future.
 *
 * @throws OAuthError the same one for every defect.
 */
export async function verifyAssertion(
  instance: Instance,
  request: HttpRequest,
  form: URLSearchParams,
): Promise<User> {
  const assertion = form.get("assertion") ?? "";
  if (assertion === "") {
    throw new OAuthError(400, "invalid_request", "assertion missing");
  }
  const user = await readAssertion(instance, issuerOf(request), assertion).catch(() => undefined);
  if (user === undefined) {
    throw new OAuthError(400, "invalid_grant", "invalid assertion");
  }
  return user;
}

async function readAssertion(
  { oauth, state, now }: Instance,
  issuer: string,
  assertion: string,
): Promise<User | undefined> {
  const key = oauth.serviceUserKeys.get(decodeProtectedHeader(assertion).kid ?? "");
  if (key === undefined || key.expiresAtMs <= now()) {
    return undefined;
  }
  const { payload } = await jwtVerify(assertion, key.publicKey, {
    algorithms: ["RS256"],
    audience: issuer,
    issuer: key.userId,
    subject: key.userId,
    maxTokenAge: 3600,
    clockTolerance: 1,
    requiredClaims: ["exp"],
    currentDate: new Date(now()),
  });
  return state.users.get(payload.sub ?? "");
}
