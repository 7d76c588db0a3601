import { Code } from "@connectrpc/connect";
import { type HeldToken, isDue, isExpired, type Lifetime, type TokenKeeper } from "../source.js";
import { isTokenError, TransientFailure, tokenError } from "../token-error.js";
import type { SignInContext } from "./context.js";
import { createLifetimes, deadRefreshTokenErrors, type Session } from "./session.js";

export interface SessionKeeper extends TokenKeeper {
  /** Whether this session has a valid token, or a way to get one. */
  isAlive(session: Session): boolean;
  lifetimeOf(session: Session): Lifetime;
}

/** What the keeper of a session depends on. */
export interface SessionWatch {
  /** Resolves when no sign-in is being handled; undefined if that is already so. */
  signingIn(): Promise<unknown> | undefined;
  /** Whether the page knows that this user is signed in. */
  knows(session: Session): boolean;
  /** Called when a refresh has changed or ended the session. */
  onChange(): void;
}

/**
 * Keeps the tokens of a signed-in user. Refresh tokens rotate, and an old one becomes invalid at once: tabs
 * that hold the same one refresh one at a time, and share the result.
 */
export function createSessionKeeper(context: SignInContext, watch: SessionWatch): SessionKeeper {
  const { store, tabs, channel, discover } = context;
  const { environment } = channel;
  const lifetimeOf = createLifetimes(environment);
  let refused: string | undefined;

  const held = (): HeldToken | undefined => {
    const session = watch.signingIn() === undefined ? store.read() : undefined;
    return session === undefined || session.token === refused || !watch.knows(session)
      ? undefined
      : { token: session.token, lifetime: lifetimeOf(session) };
  };
  const heldAndFresh = (): HeldToken | undefined => {
    const token = held();
    return token !== undefined && !isDue(token.lifetime, environment) ? token : undefined;
  };
  const keep = (session: Session): HeldToken => {
    store.write(session);
    tabs.changed(session);
    watch.onChange();
    // Even if it is due at once: it is the newest one.
    return { token: session.token, lifetime: lifetimeOf(session) };
  };

  return {
    held,
    drop: (token) => {
      if (store.read()?.token === token) {
        refused = token;
        watch.onChange();
      }
    },
    isAlive: (session) =>
      session.refreshToken !== undefined ||
      (session.token !== refused && !isExpired(lifetimeOf(session), environment)),
    lifetimeOf,
    renew: async (signal) => {
      await watch.signingIn();
      return (
        heldAndFresh() ??
        tabs.exclusively(store.read(), async (behind) => {
          const before = currentSession(context, watch);
          if (behind) {
            await tabs.ask(before);
          }
          const fresh = heldAndFresh();
          if (fresh !== undefined) {
            return fresh;
          }
          const session = currentSession(context, watch);
          try {
            const { refresh } = await loadServer();
            const server = await discover(signal);
            const refreshed = await refresh(context, server, session, signal);
            if (store.read()?.id === session.id) {
              return keep(refreshed);
            }
            // The user has signed out meanwhile, or signed in again: these tokens belong to no session.
            revokeInBackground(context, refreshed);
            const other = held();
            if (other === undefined) {
              throw signedOut();
            }
            return other;
          } catch (reason) {
            if (
              !isTokenError(reason) ||
              !deadRefreshTokenErrors.includes(reason.oauthError ?? "")
            ) {
              throw reason;
            }
            if (await tabs.ask(session)) {
              const handedOn = held();
              if (handedOn !== undefined) {
                return handedOn;
              }
            }
            if (store.read()?.id === session.id) {
              store.write({ ...session, refreshToken: undefined });
              watch.onChange();
            }
            throw reason;
          }
        })
      );
    },
    // The response holds the only refresh token that is valid from now on.
    finishesAttempts: true,
  };
}

function currentSession(
  { store }: SignInContext,
  watch: SessionWatch,
): Session & { refreshToken: string } {
  const session = store.read();
  if (session === undefined) {
    throw signedOut();
  }
  if (!watch.knows(session)) {
    throw tokenError(
      "another user has signed in in another tab: reload the page, or have it listen with onChange()",
      Code.Unauthenticated,
    );
  }
  const { refreshToken } = session;
  if (refreshToken === undefined) {
    throw tokenError(
      'the session has ended: sign in again (with the scope "offline_access" sessions are renewed)',
      Code.Unauthenticated,
    );
  }
  return { ...session, refreshToken };
}

function signedOut(): Error {
  return tokenError("no user is signed in: call start() to sign in", Code.Unauthenticated);
}

/**
 * Loads the code that talks to the authorization server: two thirds of the module, in a file of its own, so
 * that a page need not wait for it.
 */
export async function load(): Promise<typeof import("./server.js")> {
  try {
    return await import("./server.js");
  } catch {
    throw tokenError(
      "a part of the page's own code could not be loaded: reload the page",
      Code.Unavailable,
    );
  }
}

/** The same within a retried operation. */
export function loadServer(): Promise<typeof import("./server.js")> {
  return load().catch((error) => {
    throw new TransientFailure(error);
  });
}

/** Loads it while the network is available: a page may be open for days. */
export function preload(): void {
  load().catch(() => {});
}

/** Revokes the tokens of an abandoned session in the background. */
export function revokeInBackground(context: SignInContext, session: Session): void {
  load()
    .then(({ revokeQuietly }) => revokeQuietly(context, session))
    .catch(() => {});
}
