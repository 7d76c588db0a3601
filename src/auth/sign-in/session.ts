import type { Environment } from "../../common/time.js";
import { remainingLifeMs } from "../source.js";
import type { Session, SessionStore } from "./store.js";

/** The claims of a user's ID token (OpenID Connect Core 1.0, sections 2 and 5.1). */
export interface SignedInUser {
  /** The user's id. */
  readonly sub: string;
  /**
   * With the scope `profile`, and only if "User Info inside ID Token" is on in the application's token
   * settings. ZITADEL's userinfo endpoint has it in any case.
   */
  readonly name?: string;
  /** The login name: as for `name`. */
  readonly preferred_username?: string;
  /** With the scope `email`: as for `name`. */
  readonly email?: string;
  readonly [claim: string]: unknown;
}

/** The claims of a JWT, not validated: those of a session were validated when it was received. */
export function claimsOf(jwt: unknown): Record<string, unknown> {
  try {
    const [, payload = ""] = String(jwt).split(".");
    const base64 = payload.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? { ...claims } : {};
  } catch {
    return {};
  }
}

/** A change of the signed-in user, in this tab or in another one. */
export interface SignInChange {
  /**
   * - `"signed-in"`: a user signed in, and no user was signed in before.
   * - `"signed-out"`: the user signed out.
   * - `"user-changed"`: another user is signed in now.
   * - `"session-ended"`: the session can no longer be renewed; `start()` signs in again.
   */
  readonly type: "signed-in" | "signed-out" | "user-changed" | "session-ended";
  /** The user who is signed in now. */
  readonly user: SignedInUser | undefined;
}

export type SignInListener = (change: SignInChange) => void;

/** What a page knows of who is signed in: it never continues as a user that it was not notified of. */
export interface Presence {
  /** The session of the page's user, while it lasts. */
  current(): Session | undefined;
  /** The session in the store, if its token may be used: it may have expired. */
  held(): Session | undefined;
  /** The same object until it changes. */
  user(): SignedInUser | undefined;
  /** Takes a token that a server has rejected. */
  refuse(token: string): void;
  /** Whether the page was notified of the user of a session. */
  knows(session: Session): boolean;
  /** Compares the store with what the page knows, and notifies its listeners. */
  look(): void;
  /** The same for changes that this page made itself: another user may be signed in. */
  accept(): void;
  onChange(listener: SignInListener): () => void;
  /** Notifies no listener any longer. */
  close(): void;
}

export function createPresence(store: SessionStore, environment: Environment): Presence {
  const listeners = new Set<SignInListener>();
  let subject: string | undefined;
  let wasAlive = false;
  let refused: string | undefined;
  let last: { idToken: string | undefined; user: SignedInUser } | undefined;
  let cancelTimer = () => {};

  const knows = (session: Session) => subject === undefined || subject === session.subject;
  /** Whether a session has a valid token, or a way to get one. */
  const isAlive = (session: Session) =>
    session.refreshToken !== undefined ||
    (session.token !== refused && remainingLifeMs(session, environment) > 0);
  const userOf = ({ idToken, subject: sub }: Session): SignedInUser => {
    if (last === undefined || last.idToken !== idToken || last.user.sub !== sub) {
      last = { idToken, user: Object.freeze({ ...claimsOf(idToken), sub }) };
    }
    return last.user;
  };
  const emit = (type: SignInChange["type"], session?: Session) => {
    const change = Object.freeze({ type, user: session && userOf(session) });
    for (const listener of [...listeners]) {
      try {
        listener(change);
      } catch (reason) {
        globalThis.reportError?.(reason);
      }
    }
  };
  const compare = (isOwn: boolean) => {
    const session = store.read();
    const isNotified = isOwn || listeners.size > 0;
    const isOther = session !== undefined && !knows(session);
    if (isOther && !isNotified) {
      return;
    }
    const before = wasAlive;
    wasAlive = session !== undefined && isAlive(session);
    if (session !== undefined || isNotified) {
      subject = session?.subject;
    }
    if (session !== undefined && wasAlive) {
      watchExpiry(session);
      if (!before || isOther) {
        emit(before ? "user-changed" : "signed-in", session);
      }
    } else if (before) {
      emit(session === undefined ? "signed-out" : "session-ended");
    }
  };
  /** No event marks the expiry of a token; a session that can be refreshed is refreshed by the next call. */
  const watchExpiry = (session: Session) => {
    cancelTimer();
    if (session.refreshToken === undefined && listeners.size > 0) {
      const leftMs = remainingLifeMs(session, environment);
      cancelTimer = environment.setTimer(() => compare(false), leftMs, { background: true });
    }
  };
  const current = () => {
    const session = store.read();
    return session && isAlive(session) && knows(session) ? session : undefined;
  };
  return {
    current,
    held: () => {
      const session = store.read();
      return session && session.token !== refused && knows(session) ? session : undefined;
    },
    user: () => {
      const session = current();
      return session && userOf(session);
    },
    refuse: (token) => {
      if (store.read()?.token === token) {
        refused = token;
        compare(false);
      }
    },
    knows,
    look: () => compare(false),
    accept: () => compare(true),
    onChange: (listener) => {
      const own: SignInListener = (change) => listener(change);
      listeners.add(own);
      // Changes that happened before the first listener are reported to it.
      queueMicrotask(() => compare(false));
      return () => {
        listeners.delete(own);
        if (listeners.size === 0) {
          cancelTimer();
        }
      };
    },
    close: () => {
      listeners.clear();
      cancelTimer();
    },
  };
}
