import type { Environment } from "../tokens/environment.js";
import type { Lifetime } from "../tokens/lifetime.js";

/** What a sign-in leaves: plain data, since storage and other tabs take no other. */
export interface Session {
  /** Made up at sign-in: the copy in a duplicated tab has the same. */
  readonly id: string;
  /** Counts the refreshes: of two copies of a session, the one with more has the tokens that work. */
  readonly generation: number;
  readonly token: string;
  readonly obtainedAtMs: number;
  readonly durationMs: number | undefined;
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** The person's id. */
  readonly subject: string;
}

export interface SessionStore {
  read(): Session | undefined;
  write(session: Session): void;
  clear(): void;
}

/** Gone with the page. */
export function createMemoryStore(): SessionStore {
  let held: Session | undefined;
  return {
    read: () => held,
    write: (session) => {
      held = session;
    },
    clear: () => {
      held = undefined;
    },
  };
}

/** @param storage asked for at each use: there is none where a page is rendered on a server. */
export function createWebStore(storage: () => Storage | undefined, key: string): SessionStore {
  // Parsed once for each text: the same session is the same object.
  let text: string | null = null;
  let parsed: Session | undefined;
  return {
    read: () => {
      const found = storage()?.getItem(key) ?? null;
      if (found !== text) {
        text = found;
        parsed = parse(found);
      }
      return parsed;
    },
    write: (session) => storage()?.setItem(key, JSON.stringify(session)),
    clear: () => storage()?.removeItem(key),
  };
}

function parse(text: string | null): Session | undefined {
  try {
    const session = JSON.parse(text ?? "");
    return typeof session?.token === "string" && typeof session.id === "string"
      ? session
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reckons how long the tokens of sessions live. The monotonic clock counts from another moment in each
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
