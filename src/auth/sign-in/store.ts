import { Code } from "@connectrpc/connect";
import { tokenError } from "../token-error.js";
import { returnAddress } from "./callback.js";
import type { SignInOptions } from "./options.js";
import type { Session } from "./session.js";

/** Stores a session. No function of it throws. */
export interface SessionStore {
  read(): Session | undefined;
  write(session: Session): void;
  clear(): void;
}

export function createStore(storage: SignInOptions["storage"], key: string): SessionStore {
  switch (storage) {
    case "sessionStorage":
      return createWebStore(() => globalThis.sessionStorage, key);
    case "localStorage":
      return createWebStore(() => globalThis.localStorage, key);
    default:
      return createMemoryStore();
  }
}

/** Lost when the page is unloaded. */
function createMemoryStore(): SessionStore {
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

/**
 * A session that the storage rejects (it is full, or the browser forbids it) is kept in memory: its refresh
 * token is the only valid one.
 *
 * @param storage called at each use: there is no storage when a page is rendered on a server.
 */
function createWebStore(storage: () => Storage | undefined, key: string): SessionStore {
  // Parsed once per text: the same session is the same object.
  let text: string | null = null;
  let parsed: Session | undefined;
  let unsaved: Session | undefined;
  const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
    try {
      const found = storage();
      return found && use(found);
    } catch {
      return undefined;
    }
  };
  const save = (value: string) =>
    attempt((found) => {
      found.setItem(key, value);
      return true;
    });
  return {
    read: () => {
      const found = attempt((found) => found.getItem(key)) ?? null;
      if (found !== text) {
        text = found;
        parsed = parse(found);
        if (
          unsaved?.id !== parsed?.id ||
          (parsed?.generation ?? -1) >= (unsaved?.generation ?? 0)
        ) {
          // Another tab has signed in, or out, or refreshed.
          unsaved = undefined;
        }
      }
      return unsaved ?? parsed;
    },
    write: (session) => {
      const value = JSON.stringify(session);
      // The old value may leave no room for the new one.
      let saved = save(value);
      if (!saved) {
        attempt((found) => found.removeItem(key));
        saved = save(value);
      }
      unsaved = saved ? undefined : session;
      text = saved ? value : (attempt((found) => found.getItem(key)) ?? null);
      parsed = saved ? session : parse(text);
    },
    clear: () => {
      attempt((found) => found.removeItem(key));
      text = null;
      parsed = undefined;
      unsaved = undefined;
    },
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

/** What is stored about a sign-in while the user is at the login page. */
export interface SignInAttempt {
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Where the user was, relative to the origin. */
  readonly returnTo: string;
  readonly startedAtMs: number;
}

/** Longer than any user takes to sign in. */
const maxAgeMs = 3_600_000;

/**
 * Records a sign-in that this tab starts. It is stored in `sessionStorage` whatever the option `storage` is:
 * the page is unloaded meanwhile.
 *
 * @throws what `tokenError` makes when the browser does not allow it.
 */
export function putAttempt(key: string, state: string, attempt: SignInAttempt): void {
  const prefix = nameOf(key, "");
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(prefix) && !isRecent(read(name), attempt.startedAtMs)) {
        sessionStorage.removeItem(name);
      }
    }
    sessionStorage.setItem(nameOf(key, state), JSON.stringify(attempt));
  } catch (cause) {
    throw tokenError(
      "sessionStorage is full, or the browser's settings block it: a sign-in is kept there while the user is at the login page",
      Code.FailedPrecondition,
      { cause },
    );
  }
}

/** Returns the sign-in with this state, once. */
export function takeAttempt(key: string, state: string, nowMs: number): SignInAttempt | undefined {
  const name = nameOf(key, state);
  const attempt = read(name);
  if (attempt !== undefined) {
    sessionStorage.removeItem(name);
  }
  return isRecent(attempt, nowMs) ? attempt : undefined;
}

function nameOf(key: string, state: string): string {
  return `${key}:state:${state}`;
}

function read(name: string): SignInAttempt | undefined {
  try {
    const attempt = JSON.parse(sessionStorage.getItem(name) ?? "");
    return { ...attempt, returnTo: returnAddress(attempt.returnTo, location.origin) };
  } catch {
    return undefined;
  }
}

function isRecent(attempt: SignInAttempt | undefined, nowMs: number): attempt is SignInAttempt {
  return attempt !== undefined && nowMs - attempt.startedAtMs < maxAgeMs;
}
