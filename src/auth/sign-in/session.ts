import type { Environment } from "../../common/time.js";
import { type Lifetime, lifetimeFrom, remainingLifeMs } from "../source.js";

/** The result of a sign-in: plain data, as storage and other tabs require. */
export interface Session {
  /** Generated at sign-in: the copy in a duplicated tab has the same. */
  readonly id: string;
  /** Encrypts messages between copies of the session, so that other code of the origin cannot read them. */
  readonly shareKey: string;
  /** Counts the refreshes: of two copies of a session, the one with the higher count has the valid tokens. */
  readonly generation: number;
  readonly token: string;
  readonly obtainedAtMs: number;
  readonly durationMs: number | undefined;
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** The user's id. */
  readonly subject: string;
  /** The value of `SignOutMark` when the sign-in began: with another one, the session is void. */
  readonly mark: string | null;
}

/** The lifetime of a session's token, which counts from when it is first seen. */
export function createLifetimes(environment: Environment): (session: Session) => Lifetime {
  const known = new WeakMap<Session, Lifetime>();
  return (session) => {
    const lifetime =
      known.get(session) ?? lifetimeFrom(environment, session.obtainedAtMs, session.durationMs);
    known.set(session, lifetime);
    return lifetime;
  };
}

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

/** Returns the user of a session: the same object for the same ID token. */
export function createUsers(): (session: Session) => SignedInUser {
  let last: { idToken: string | undefined; user: SignedInUser } | undefined;
  return ({ idToken, subject }) => {
    if (last === undefined || last.idToken !== idToken || last.user.sub !== subject) {
      last = { idToken, user: Object.freeze({ ...claimsOf(idToken), sub: subject }) };
    }
    return last.user;
  };
}

/** The claims of a JWT, not validated: those of a session were validated when it was received. */
export function claimsOf(jwt: unknown): Record<string, unknown> {
  try {
    const [, payload = ""] = String(jwt).split(".");
    const bytes = decodeBase64Url(payload);
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? { ...claims } : {};
  } catch {
    return {};
  }
}

export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
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

/** Keeps track of the user that this tab knows of. */
export interface Changes {
  /** Compares the store with what this tab knows, and notifies its listeners. */
  look(): void;
  /**
   * The same for changes that this tab made itself: the page knows about them, so another user may be signed
   * in.
   */
  accept(): void;
  /** Whether the session in the store belongs to a user that the page was notified of. */
  knows(session: Session): boolean;
  onChange(listener: SignInListener): () => void;
  /** Notifies no listener any longer. */
  close(): void;
}

/** @param current the usable session, in its current state. */
export function createChanges(
  current: () => { session: Session | undefined; alive: boolean; lifetime: Lifetime | undefined },
  userOf: (session: Session) => SignedInUser,
  environment: Environment,
): Changes {
  const listeners = new Set<SignInListener>();
  let user: string | undefined;
  let wasAlive = false;
  let cancelTimer = () => {};

  const emit = (type: SignInChange["type"], session: Session | undefined) => {
    const change = Object.freeze({ type, user: session && userOf(session) });
    for (const listener of [...listeners]) {
      try {
        listener(change);
      } catch (reason) {
        globalThis.reportError?.(reason);
      }
    }
  };
  const look = (own: boolean) => {
    const { session, alive, lifetime } = current();
    const isOther = session !== undefined && user !== undefined && session.subject !== user;
    if (isOther && !own && listeners.size === 0) {
      // The page has not been notified: it must not continue as another user.
      return;
    }
    const before = wasAlive;
    wasAlive = alive;
    if (session !== undefined) {
      user = session.subject;
    } else if (own || listeners.size > 0) {
      user = undefined;
    }
    if (alive) {
      watchExpiry(session, lifetime);
      if (!before) {
        emit("signed-in", session);
      } else if (isOther) {
        emit("user-changed", session);
      }
    } else if (before) {
      emit(session === undefined ? "signed-out" : "session-ended", undefined);
    }
  };
  /** No event marks the expiry of a token; a session that can be refreshed is refreshed by the next call. */
  const watchExpiry = (session: Session | undefined, lifetime: Lifetime | undefined) => {
    cancelTimer();
    const leftMs = lifetime && remainingLifeMs(lifetime, environment);
    if (session?.refreshToken === undefined && leftMs !== undefined && listeners.size > 0) {
      cancelTimer = environment.setTimer(() => look(false), Math.max(0, leftMs), {
        background: true,
      });
    }
  };
  return {
    look: () => look(false),
    accept: () => look(true),
    knows: ({ subject }) => user === undefined || user === subject,
    onChange: (listener) => {
      const own: SignInListener = (change) => listener(change);
      listeners.add(own);
      // Changes that happened before the first listener are reported to it.
      queueMicrotask(() => look(false));
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
