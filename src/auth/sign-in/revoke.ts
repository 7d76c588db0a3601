import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import { exchange } from "../endpoint/exchange.js";
import { retryingFor } from "../tokens/retrying.js";
import type { SignInContext } from "./context.js";
import type { Session } from "./session.js";

/** How long signing out waits for the tokens to be revoked. */
const revocationMs = 3_000;

/**
 * Revokes the tokens of a session (RFC 7009), within 3 s. With its refresh token, ZITADEL revokes the
 * access token too. Never rejects: the session is over in this page in any case.
 */
export async function revokeQuietly(context: SignInContext, session: Session): Promise<void> {
  const { options, channel, discover } = context;
  const { token, refreshToken = token } = session;
  await retryingFor(channel.environment, revocationMs, async (signal) => {
    const server = await discover(signal);
    const endpoint = server.revocation_endpoint;
    if (endpoint !== undefined) {
      const client = own({ client_id: options.clientId });
      await exchange(channel, { step: "revocation", endpoint, causes: {} }, signal, (httpOptions) =>
        oauth.revocationRequest(server, client, oauth.None(), refreshToken, httpOptions),
      );
    }
  }).catch(() => {});
}
