import type { Environment } from "../../common/environment.js";
import type { Lifetime } from "../tokens/lifetime.js";

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
}

/**
 * Calculates the lifetime of tokens. The monotonic clock has another origin in each page, so the age of a
 * session read from storage is taken from the wall clock when it is first seen.
 */
export function createLifetimes(environment: Environment): (session: Session) => Lifetime {
  const known = new WeakMap<Session, Lifetime>();
  return (session) => {
    let lifetime = known.get(session);
    if (lifetime === undefined) {
      const ageMs = Math.max(0, environment.wallMs() - session.obtainedAtMs);
      lifetime = {
        startedAtWallMs: session.obtainedAtMs,
        startedAtMonotonicMs: environment.monotonicMs() - ageMs,
        durationMs: session.durationMs,
      };
      known.set(session, lifetime);
    }
    return lifetime;
  };
}
