import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import type { SignInContext } from "./context.js";
import { claimsOf } from "./user.js";

const toleranceSeconds = 30;

/**
 * The client for reading a token response. Browsers hide the `Date` header of another origin from a page, so
 * the clock skew is derived from the ID token, which comes straight from the server and was issued just now.
 */
export async function clientOf(
  { options, channel: { clock } }: SignInContext,
  response: Response,
): Promise<oauth.Client> {
  const { id_token: idToken } = await response
    .clone()
    .json()
    .catch(() => ({}));
  clock.note(Number(claimsOf(idToken).iat) * 1000);
  return own({
    client_id: options.clientId,
    [oauth.clockSkew]: Math.round(clock.offsetMs() / 1000),
    [oauth.clockTolerance]: toleranceSeconds,
  });
}
