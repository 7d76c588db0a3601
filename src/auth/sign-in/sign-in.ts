import { platform } from "../../common/time.js";
import { checkTokenOptions } from "../options.js";
import { createTokenSource, isExpired } from "../source.js";
import { AttemptFailure, tokenError } from "../token-error.js";
import { clearAddress, isOfAnother, readResponse } from "./callback.js";
import type { Message, SignInContext } from "./context.js";
import { type SignIn, type SignInOptions, type SignInResult, signInChecks } from "./options.js";
import type { Server } from "./server.js";
import { createChanges, createLifetimes, createUsers, type Session } from "./session.js";
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
  const isPage = typeof document !== "undefined";
  const key = `zitadel-user-grants:${issuer}:${clientId}`;
  const closing = new AbortController();
  const mark = createMark(`${key}:signed-out`, platform);
  const unrevoked = createQueue(storage, `${key}:revoke`);
  const discard = (session: Session) => {
    unrevoked.add(session.refreshToken ?? session.token);
    tidy();
  };
  const store = createStore(storage, key, mark, discard);
  const lifetimeOf = createLifetimes(platform);
  const userOf = createUsers();
  let latest: { state: string; result: Promise<SignInResult> } | undefined;
  let signingIn: Promise<unknown> | undefined;
  let refused: string | undefined;

  /** Whether a session has a valid token, or a way to get one. */
  const isAlive = (session: Session) =>
    session.refreshToken !== undefined ||
    (session.token !== refused && !isExpired(lifetimeOf(session), platform));
  const changes = createChanges(
    () => {
      const session = store.read();
      return {
        session,
        alive: session !== undefined && isAlive(session),
        lifetime: session && lifetimeOf(session),
      };
    },
    userOf,
    platform,
  );
  /** The session of this page's user, while it lasts. */
  const current = (): Session | undefined => {
    const session = store.read();
    return session && isAlive(session) && changes.knows(session) ? session : undefined;
  };
  const tabs = openChannel(key, isPage, (message) => {
    if (message.kind === "signed-out") {
      mark.hear(message.mark);
    } else if (storage !== "memory" && store.read()?.id === message.id) {
      load()
        .then((server) => server.receive(message))
        .catch(() => {})
        .then(changes.look);
      return;
    }
    changes.look();
  });
  const onStorage = ({ key: name }: { key?: string | null }) => {
    // No name: the storage was cleared, or the page comes out of the browser's cache.
    if (!name || name.startsWith(key)) {
      changes.look();
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
    closed: closing.signal,
    page,
    post: tabs.post,
    signingIn: () => signingIn,
    knows: changes.knows,
    held: () => {
      const session = signingIn === undefined ? store.read() : undefined;
      return session === undefined || session.token === refused || !changes.knows(session)
        ? undefined
        : { token: session.token, lifetime: lifetimeOf(session) };
    },
    lifetimeOf,
    look: changes.look,
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
      throw tokenError("a part of the page could not be loaded: reload it", "unavailable");
    }
  };
  /** Revokes, in the background, what is left of sessions that are over. */
  const tidy = () => {
    load()
      .then(({ revoke }) => revoke())
      .catch(() => {});
  };

  page.add(checked);
  for (const event of windowEvents) {
    globalThis.addEventListener?.(event, onStorage as EventListener);
  }
  changes.accept();
  if (isPage) {
    // While the network is available: a page may be open for days.
    tidy();
  }
  return {
    start: async (startOptions = {}) => (await load()).start(startOptions),
    handleCallback: async (url) => {
      const href = url ?? globalThis.location?.href;
      const response = href === undefined ? undefined : readResponse(redirectUri, href);
      const state = response?.get("state");
      if (response === undefined || !state || latest?.state === state || isOfAnother(key, state)) {
        // A second call, after the first has taken the response out of the address.
        return url === undefined || signingIn !== undefined || latest?.state === state
          ? latest?.result
          : undefined;
      }
      // Before anything else, in every outcome.
      const inAddress = clearAddress(redirectUri, state);
      const path = new URL(href ?? "", redirectUri).pathname;
      const result = load().then((server) => server.handle(response, path, inAddress));
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
      return result;
    },
    signOut: async () => {
      const session = store.read();
      context.post({ kind: "signed-out", mark: mark.replace() });
      store.clear();
      latest = undefined;
      if (session !== undefined) {
        unrevoked.add(session.refreshToken ?? session.token);
      }
      changes.accept();
      await (await load()).end(session?.idToken);
    },
    get signedIn() {
      return current() !== undefined;
    },
    get pendingRevocations() {
      return unrevoked.all().length;
    },
    user: () => {
      const session = current();
      return session && userOf(session);
    },
    onChange: changes.onChange,
    token: createTokenSource(
      {
        held: context.held,
        drop: (token) => {
          if (store.read()?.token === token) {
            refused = token;
            changes.look();
          }
        },
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
      changes.close();
      tabs.close();
      for (const event of windowEvents) {
        globalThis.removeEventListener?.(event, onStorage as EventListener);
      }
    },
  };
}

/** The other pages of the same origin that sign in to the same application. */
function openChannel(name: string, isPage: boolean, onMessage: (message: Message) => void) {
  let channel: BroadcastChannel | undefined;
  try {
    channel = isPage ? new BroadcastChannel(name) : undefined;
  } catch {
    // Not in every browser, and not where its settings block all storage.
  }
  if (channel !== undefined) {
    // In a test with a DOM for Node it keeps no program alive.
    (channel as { unref?(): void }).unref?.();
    channel.onmessage = ({ data }) => {
      try {
        onMessage(data);
      } catch {
        // Any page of the origin can post: a message of another format is ignored.
      }
    };
  }
  return {
    post: (message: Message) => channel?.postMessage(message),
    close: () => {
      channel?.close();
      channel = undefined;
    },
  };
}
