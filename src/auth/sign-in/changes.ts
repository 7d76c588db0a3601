import type { Environment } from "../../common/environment.js";
import { type Lifetime, remainingLifeMs } from "../tokens/lifetime.js";
import type { Session } from "./session.js";
import { type SignedInUser, userOf } from "./user.js";

/** What has changed about who is signed in, in this tab or in another one. */
export interface SignInChange {
  /**
   * - `"signed-in"`: nobody was, and somebody is.
   * - `"signed-out"`: somebody was, and nobody is.
   * - `"user-changed"`: somebody else is signed in now.
   * - `"session-ended"`: the session cannot be renewed any more; `start()` signs in again.
   */
  readonly type: "signed-in" | "signed-out" | "user-changed" | "session-ended";
  /** Who is signed in now. */
  readonly user: SignedInUser | undefined;
}

export type SignInListener = (change: SignInChange) => void;

/** Keeps track of the user that this tab knows of. */
export interface Changes {
  /** Compares what is in the store with what this tab knows, and tells its listeners. */
  look(): void;
  /** The same for what this tab did itself: the page knows, so that somebody else may be signed in. */
  accept(): void;
  /** Whether the session in the store is one of a user that the page has been told of. */
  knows(session: Session): boolean;
  onChange(listener: SignInListener): () => void;
}

/** @param current the session that can be used, in the state it is in. */
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
      // The page does not know: it must not go on as somebody else.
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
  /** Nobody hears that a token expires; what can be refreshed is, by the next call. */
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
      // What happened before is told now that somebody listens.
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
