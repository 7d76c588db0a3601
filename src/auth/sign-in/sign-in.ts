import { platform } from "../../common/environment.js";
import { createChannel } from "../channel.js";
import type { Discover } from "../discovery.js";
import { checkTokenOptions } from "../options.js";
import { createTokenSource } from "../source.js";
import { clearAddress, isInAddress, readResponse } from "./callback.js";
import { forgetSession, type SignInContext } from "./context.js";
import { type SignIn, type SignInOptions, type SignInResult, signInChecks } from "./options.js";
import { createSessionKeeper, load, loadServer, preload, revokeInBackground } from "./refresh.js";
import { createChanges, type Session, userOf } from "./session.js";
import { createStore } from "./store.js";
import { createTabs } from "./tabs.js";

/**
 * Sign-in for a web page: authorization code with PKCE, at ZITADEL's own login page. Make one when the page
 * loads, and keep it.
 *
 * With the scope `offline_access` the session is renewed in the background for as long as ZITADEL allows;
 * without it, the session ends when its token expires.
 *
 * @param options `issuer`, `clientId` and `redirectUri` are required.
 * @returns functions that start, finish and end a session, and its token source.
 * @throws TypeError naming the option that is missing, invalid or unknown.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { signIn } from "zitadel-user-grants/auth";
 *
 * const issuer = "https://example.zitadel.cloud";
 * const auth = signIn({
 *   issuer,
 *   clientId: "312909075211944738@portal",
 *   redirectUri: `${location.origin}/`,
 * });
 * const client = createManagementClient({ baseUrl: issuer, token: auth.token });
 *
 * await auth.handleCallback();
 * if (!auth.signedIn) await auth.start();
 * ```
 */
export function signIn(options: SignInOptions): SignIn {
  const required = ["issuer", "clientId", "redirectUri"] as const;
  const checked = checkTokenOptions("signIn", options, signInChecks, required);
  const { issuer, clientId, redirectUri, storage = "memory" } = checked;
  const channel = createChannel(checked, platform);
  const key = `zitadel-user-grants:${issuer}:${clientId}`;
  const store = createStore(storage, key);
  let discover: Discover | undefined;
  const context: SignInContext = {
    options: checked,
    channel,
    discover: async (signal) => {
      discover ??= (await loadServer()).createDiscover(channel, issuer);
      return discover(signal);
    },
    store,
    tabs: createTabs(key, storage !== "memory", store, platform, {
      onChange: () => changes.look(),
      onSignedOut: () => {
        const session = forgetSession(context);
        if (session !== undefined && storage !== "localStorage") {
          // The tab that signed out revokes its own tokens.
          revokeInBackground(context, session);
        }
        changes.look();
      },
    }),
    signOuts: { count: 0 },
    key,
  };
  let latest: { state: string; result: Promise<SignInResult> } | undefined;
  let signingIn: Promise<unknown> | undefined;
  const keeper = createSessionKeeper(context, {
    signingIn: () => signingIn,
    knows: (session) => changes.knows(session),
    onChange: () => changes.look(),
  });
  const changes = createChanges(() => {
    const session = store.read();
    return {
      session,
      alive: session !== undefined && keeper.isAlive(session),
      lifetime: session && keeper.lifetimeOf(session),
    };
  }, platform);
  changes.accept();
  if (typeof document !== "undefined") {
    preload();
  }

  /** The session of this page's user, while it lasts. */
  const current = (): Session | undefined => {
    const session = store.read();
    return session !== undefined && keeper.isAlive(session) && changes.knows(session)
      ? session
      : undefined;
  };
  return {
    start: async (startOptions = {}) => (await load()).startSignIn(context, startOptions),
    handleCallback: async (url) => {
      const href = url ?? globalThis.location?.href;
      const response = href === undefined ? undefined : readResponse(redirectUri, href);
      if (response === undefined) {
        // A second call arrives after the first has removed the response from the address.
        return signingIn === undefined ? undefined : latest?.result;
      }
      const state = String(response.get("state"));
      if (latest?.state !== state) {
        // A router passes the page's address, or a part of it.
        const inAddress = isInAddress(redirectUri, state);
        if (inAddress) {
          // Before anything else, in every outcome.
          clearAddress();
        }
        const { count } = context.signOuts;
        const result = load().then(({ handleResponse }) =>
          handleResponse(context, response, inAddress, count),
        );
        const ended = result
          .catch(() => {})
          .then(() => {
            if (signingIn === ended) {
              signingIn = undefined;
            }
          });
        latest = { state, result };
        signingIn = ended;
        result.then(changes.accept, () => {});
      }
      return latest.result;
    },
    signOut: async () => {
      const session = forgetSession(context);
      context.tabs.signedOut();
      changes.accept();
      await (await load()).endAtServer(context, session);
    },
    get signedIn() {
      return current() !== undefined;
    },
    user: () => {
      const session = current();
      return session && userOf(session);
    },
    onChange: changes.onChange,
    token: createTokenSource(keeper, platform),
  };
}
