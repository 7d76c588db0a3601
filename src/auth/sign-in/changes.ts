import type { Environment } from "../../common/environment.js";
import { type Lifetime, remainingLifeMs } from "../tokens/lifetime.js";
import type { Session } from "./session.js";
import { type SignedInUser, userOf } from "./user.js";

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
}

/** @param current the usable session, in its current state. */
export function createChanges(
  current: () => { session: Session | undefined; alive: boolean; lifetime: Lifetime | undefined },
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
  };
}
