import type { Environment } from "../../common/environment.js";
import type { Lifetime } from "../tokens/lifetime.js";

/** What a sign-in leaves: plain data, since storage and other tabs take no other. */
export interface Session {
  /** Made up at sign-in: the copy in a duplicated tab has the same. */
  readonly id: string;
  /** Encrypts what copies of the session tell each other: nobody else in the origin has it. */
  readonly shareKey: string;
  /** Counts the refreshes: of two copies of a session, the one with more has the tokens that work. */
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
 * Calculates how long the tokens of sessions live. The monotonic clock counts from another moment in each
 * page, so a session that comes from storage is as old as the wall clock says when it is first seen.
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
