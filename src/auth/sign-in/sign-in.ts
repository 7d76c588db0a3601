import { platform } from "../../common/time.js";
import { checkTokenOptions } from "../options.js";
import { createTokenSource } from "../source.js";
import { AttemptFailure, TokenError } from "../token-error.js";
import { clearAddress, readResponse } from "./callback.js";
import type { SignInContext } from "./context.js";
import { type SignIn, type SignInOptions, type SignInResult, signInChecks } from "./options.js";
import type { Server } from "./server.js";
import { createPresence } from "./session.js";
import { createMark, createQueue, createStore } from "./store.js";

/** The sign-ins of this page. */
const page = new Set<SignInOptions>();

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
  const key = `zitadel-user-grants:${issuer}:${clientId}`;
  const closing = new AbortController();
  const mark = createMark(`${key}:signed-out`, platform);
  const unrevoked = createQueue(storage, `${key}:revoke`);
  const store = createStore(storage, key, mark, (session) => {
    unrevoked.add(session);
    tidy();
  });
  const presence = createPresence(store, platform);
  let latest: { state: string | null; result: Promise<SignInResult> } | undefined;
  /** The response that is being handled. */
  let handling: Promise<SignInResult> | undefined;

  const onStorage = ({ key: name }: { key?: string | null }) => {
    // No name: the storage was cleared, or the page comes out of the browser's cache.
    if (!name || name.startsWith(key)) {
      presence.look();
    }
  };
  const windowEvents = ["storage", "pageshow"] as const;
  const context: SignInContext = {
    options: checked,
    environment: platform,
    key,
    store,
    mark,
    unrevoked,
    presence,
    closed: closing.signal,
    page,
    handling: () => handling,
  };

  let server: Server | undefined;
  /**
   * Loads the code that talks to the authorization server: two thirds of the module, in a file of its own, so
   * that a page need not wait for it.
   */
  const load = async (): Promise<Server> => {
    try {
      const { connect } = await import("./server.js");
      server ??= connect(context);
      return server;
    } catch {
      throw new TokenError("a part of the page could not be loaded: reload it", "unavailable");
    }
  };
  /** Revokes, in the background, what is left of sessions that are over. */
  const tidy = () => {
    load()
      .then(({ tidy }) => tidy())
      .catch(() => {});
  };

  page.add(checked);
  for (const event of windowEvents) {
    // Without a signal: a DOM for Node takes only its own.
    globalThis.addEventListener?.(event, onStorage as EventListener);
  }
  presence.accept();
  if (typeof document !== "undefined") {
    // While the network is available: a page may be open for days.
    tidy();
  }
  return {
    start: async (startOptions = {}) => (await load()).start(startOptions),
    handleCallback: async (url) => {
      const href = url ?? globalThis.location?.href;
      const response = href === undefined ? undefined : readResponse(key, redirectUri, href);
      if (response === undefined) {
        // A second call, after the first has taken the response out of the address.
        return url === undefined ? latest?.result : handling;
      }
      const state = response.get("state");
      if (latest?.state === state) {
        return latest.result;
      }
      // Before anything else, in every outcome.
      const inAddress = clearAddress(state);
      handling = load()
        .then((server) => server.handle(response, String(href), inAddress))
        .finally(() => {
          handling = undefined;
        });
      const result = handling.then((found) => {
        presence.accept();
        return found;
      });
      latest = { state, result };
      return result;
    },
    signOut: async () => {
      const session = store.read();
      store.clear();
      mark.replace();
      latest = undefined;
      if (session !== undefined) {
        unrevoked.add(session);
      }
      presence.accept();
      await (await load()).end(session?.idToken);
    },
    get signedIn() {
      return presence.current() !== undefined;
    },
    get pendingRevocations() {
      return unrevoked.all().length;
    },
    user: presence.user,
    onChange: presence.onChange,
    token: createTokenSource(
      {
        // A new session is on its way.
        held: () => (handling === undefined ? presence.held() : undefined),
        drop: presence.refuse,
        renew: async (signal, waitFor) => {
          const server = await load().catch((error) => {
            throw new AttemptFailure(error, Infinity);
          });
          return server.renew(signal, waitFor);
        },
        credential: () => store.read()?.refreshToken,
        // The response holds the only refresh token that is valid from now on.
        finishesAttempts: true,
      },
      platform,
    ),
    close: () => {
      closing.abort();
      page.delete(checked);
      presence.close();
      for (const event of windowEvents) {
        globalThis.removeEventListener?.(event, onStorage as EventListener);
      }
    },
  };
}
