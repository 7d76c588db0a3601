import * as oauth from "oauth4webapi";
import { own } from "../../options/checker.js";
import { createDiscover } from "../discovery.js";
import { type Channel, exchange } from "../endpoint.js";
import { patienceMs, retryingFor } from "../source.js";
import { AttemptFailure, TokenError } from "../token-error.js";
import type { ServerContext, SignInContext } from "./context.js";
import { createLogin } from "./login.js";
import { createRenew } from "./refresh.js";
import type { Session } from "./store.js";

/** What talks to the authorization server: a page loads it when it is needed. */
export type Server = ReturnType<typeof connect>;

/** How long signing out tries to revoke tokens. */
const revocationMs = 3_000;
/** Between rounds of attempts in the background. */
const pauseMs = 30_000;

export function connect(context: SignInContext) {
  const { options, environment, closed, unrevoked } = context;
  const channel: Channel = own({
    environment,
    fetch: options.fetch,
    // Browsers tell no reason, and throw TypeErrors alone.
    explain: (reason) => ({ text: `got no response: ${reason}` }),
  });
  const discover = createDiscover(channel, options.issuer);
  let cancelTimer = () => {};
  closed.addEventListener("abort", () => cancelTimer());

  /**
   * Revokes every token that waits for it: RFC 7009. With a refresh token, ZITADEL revokes the access token too.
   *
   * @throws the failure of the last one that could not be revoked.
   */
  const revoke = async (signal: AbortSignal): Promise<void> => {
    let failure: unknown;
    for (const token of unrevoked.all()) {
      try {
        const server = await discover(signal);
        const endpoint = server.revocation_endpoint;
        if (endpoint !== undefined) {
          const what = { step: "revocation", endpoint, causes: {} };
          const client = own({ client_id: options.clientId });
          await exchange(channel, what, signal, (http) =>
            oauth.revocationRequest(server, client, oauth.None(), token, http),
          );
        }
        unrevoked.remove(token);
      } catch (reason) {
        failure = reason;
        if (reason instanceof AttemptFailure && reason.error.oauthError !== undefined) {
          // No other attempt would change that.
          unrevoked.remove(token);
        }
      }
    }
    if (failure !== undefined) {
      throw failure;
    }
  };
  /** Revokes in the background, until nothing is left. */
  const tidy = (): void => {
    cancelTimer();
    if (unrevoked.all().length > 0 && !closed.aborted) {
      const attempt = (signal: AbortSignal) =>
        closed.aborted ? Promise.resolve() : revoke(signal);
      retryingFor(environment, patienceMs, attempt, { background: true }).catch(() => {
        cancelTimer();
        cancelTimer = environment.setTimer(tidy, pauseMs, { background: true });
      });
    }
  };
  const discard = (session: Session): void => {
    unrevoked.add(session);
    tidy();
  };
  const serverContext: ServerContext = { ...context, channel, discover, discard };

  return {
    ...createLogin(serverContext),
    tidy,
    renew: createRenew(serverContext),

    /**
     * Ends a session at the server that is already over here: OpenID Connect RP-Initiated Logout 1.0,
     * section 2.
     */
    end: async (idToken: string | undefined): Promise<void> => {
      const server = await retryingFor(environment, patienceMs, discover).catch((reason) => {
        tidy();
        throw reason;
      });
      try {
        await retryingFor(environment, revocationMs, revoke);
      } catch (reason) {
        tidy();
        const isPending = unrevoked.all().length > 0;
        throw new TokenError(
          `the user is signed out here, but a token is not revoked: ${(reason as TokenError).rawMessage}${isPending ? ". It is retried while the page is open; call signOut() again to go on" : ""}`,
          "unavailable",
          { cause: reason },
        );
      }
      const after = options.postLogoutRedirectUri;
      if (server.end_session_endpoint === undefined) {
        location.assign(after ?? location.href);
        return;
      }
      const url = new URL(server.end_session_endpoint);
      url.searchParams.set("client_id", options.clientId);
      if (idToken !== undefined) {
        url.searchParams.set("id_token_hint", idToken);
      }
      if (after !== undefined) {
        url.searchParams.set("post_logout_redirect_uri", after);
      }
      location.assign(url);
    },
  };
}
