import { createChannel } from "../endpoint/channel.js";
import { createDiscover } from "../endpoint/discovery.js";
import { checkTokenOptions } from "../endpoint/options.js";
import { type Environment, platform } from "../tokens/environment.js";
import { createTokenSource } from "../tokens/renewal.js";
import { handleAnswer, readAnswer } from "./callback.js";
import type { SignInContext } from "./context.js";
import { type SignIn, type SignInOptions, type SignInResult, signInChecks } from "./options.js";
import { createSessionKeeper } from "./refresh.js";
import { createMemoryStore, createWebStore, type SessionStore } from "./session.js";
import { signOut } from "./sign-out.js";
import { startSignIn } from "./start.js";
import { createTabs, noTabs } from "./tabs.js";

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
  return createSignIn(options, platform);
}

export function createSignIn(given: SignInOptions, environment: Environment): SignIn {
  const options = checkTokenOptions("signIn", given, signInChecks, [
    "issuer",
    "clientId",
    "redirectUri",
  ]);
  const { issuer, clientId, redirectUri, storage = "memory" } = options;
  const channel = createChannel(options, environment);
  const key = `zitadel-user-grants:${issuer}:${clientId}`;
  const store = createStore(storage, key);
  const context: SignInContext = {
    options,
    channel,
    discover: createDiscover(channel, issuer),
    client: { client_id: clientId },
    store,
    tabs: storage === "memory" ? noTabs : createTabs(key, store, environment),
    key,
  };
  let latest: { state: string; result: Promise<SignInResult> } | undefined;
  let signingIn: Promise<unknown> | undefined;
  const keeper = createSessionKeeper(context, () => signingIn);
  return {
    start: (startOptions = {}) => startSignIn(context, startOptions),
    handleCallback: async (url) => {
      const href = url ?? globalThis.location?.href;
      const answer = href === undefined ? undefined : readAnswer(redirectUri, href);
      if (answer === undefined) {
        // A second call comes when the first has taken the answer from the address.
        return signingIn === undefined ? undefined : latest?.result;
      }
      const state = String(answer.get("state"));
      if (latest?.state !== state) {
        const result = handleAnswer(context, answer, url === undefined);
        const ended = result
          .catch(() => {})
          .then(() => {
            if (signingIn === ended) {
              signingIn = undefined;
            }
          });
        latest = { state, result };
        signingIn = ended;
      }
      return latest.result;
    },
    signOut: () => signOut(context),
    get signedIn() {
      return keeper.hasSession();
    },
    token: createTokenSource(keeper, environment),
  };
}

function createStore(storage: SignInOptions["storage"], key: string): SessionStore {
  switch (storage) {
    case "sessionStorage":
      return createWebStore(() => globalThis.sessionStorage, key);
    case "localStorage":
      return createWebStore(() => globalThis.localStorage, key);
    default:
      return createMemoryStore();
  }
}
