import type { Environment } from "../../common/time.js";
import type { SignInOptions } from "./options.js";
import type { Session } from "./session.js";

/** A named text in a web storage. No function of it throws. */
interface Slot {
  get(): string | null;
  /** Whether it was stored: the storage may be full, or the browser's settings block it. */
  set(value: string): boolean;
  remove(): void;
}

/** @param storage called at each use: there is no storage when a page is rendered on a server. */
function createSlot(storage: () => Storage | undefined, name: string): Slot {
  const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
    try {
      const found = storage();
      return found && use(found);
    } catch {
      return undefined;
    }
  };
  return {
    get: () => attempt((found) => found.getItem(name)) ?? null,
    set: (value) => attempt((found) => found.setItem(name, value) ?? true) ?? false,
    remove: () => attempt((found) => found.removeItem(name)),
  };
}

const storages = {
  memory: () => undefined,
  sessionStorage: () => globalThis.sessionStorage,
  localStorage: () => globalThis.localStorage,
};

/**
 * A value that each sign-out replaces, in every tab and whatever storage sessions are in. Sessions and
 * sign-ins are void when it is another one than they began with: a tab that ran no script meanwhile learns
 * of a sign-out so.
 */
export interface SignOutMark {
  read(): string | null;
  /** Voids every session, and every sign-in in progress. */
  replace(): string;
  /** Takes the value of another tab, for browsers that have no storage. */
  hear(mark: string): void;
}

export function createMark(name: string, environment: Environment): SignOutMark {
  const slot = createSlot(storages.localStorage, name);
  let own: string | null = null;
  return {
    read: () => slot.get() ?? own,
    replace: () => {
      own = environment.random().toString(36);
      if (!slot.set(own)) {
        // An old value must not stay where the new one found no room.
        slot.remove();
      }
      return own;
    },
    hear: (mark) => {
      own = mark;
    },
  };
}

/** A set of tokens that survives a reload where sessions do. */
export interface TokenQueue {
  all(): string[];
  add(token: string): void;
  remove(token: string): void;
}

export function createQueue(
  storage: NonNullable<SignInOptions["storage"]>,
  name: string,
): TokenQueue {
  const slot = createSlot(storages[storage], name);
  const own = new Set<string>();
  const stored = (): string[] => {
    try {
      return JSON.parse(slot.get() ?? "[]").map(String);
    } catch {
      return [];
    }
  };
  const save = (tokens: string[]) =>
    tokens.length > 0 ? slot.set(JSON.stringify(tokens)) : slot.remove();
  return {
    all: () => [...new Set([...own, ...stored()])],
    add: (token) => {
      own.add(token);
      save([...stored(), token]);
    },
    remove: (token) => {
      own.delete(token);
      save(stored().filter((one) => one !== token));
    },
  };
}

/** Stores the session of this tab, or of all tabs. No function of it throws. */
export interface SessionStore {
  /** The session, unless the user has signed out since it began. */
  read(): Session | undefined;
  write(session: Session): void;
  clear(): void;
}

/**
 * A session that the storage rejects is kept in memory: its refresh token is the only valid one.
 *
 * @param onVoid takes a session of this tab that another tab has signed out. One that all tabs share is
 * revoked by the tab that signed out.
 */
export function createStore(
  storage: NonNullable<SignInOptions["storage"]>,
  name: string,
  mark: SignOutMark,
  onVoid: (session: Session) => void,
): SessionStore {
  const slot = createSlot(storages[storage], name);
  // Parsed once per text: the same session is the same object.
  let text: string | null = null;
  let parsed: Session | undefined;
  let unsaved: Session | undefined;
  const find = (): Session | undefined => {
    const found = slot.get();
    if (found !== text) {
      text = found;
      parsed = parse(found);
      if (unsaved?.id !== parsed?.id || (parsed?.generation ?? -1) >= (unsaved?.generation ?? 0)) {
        // Another tab has signed in, or out, or refreshed.
        unsaved = undefined;
      }
    }
    return unsaved ?? parsed;
  };
  const clear = () => {
    slot.remove();
    text = null;
    parsed = undefined;
    unsaved = undefined;
  };
  return {
    read: () => {
      const session = find();
      if (session === undefined || session.mark === mark.read()) {
        return session;
      }
      if (storage !== "localStorage") {
        clear();
        onVoid(session);
      }
      return undefined;
    },
    write: (session) => {
      const value = JSON.stringify(session);
      let saved = slot.set(value);
      if (!saved) {
        // The old value may leave no room for the new one.
        slot.remove();
        saved = slot.set(value);
      }
      unsaved = saved ? undefined : session;
      text = saved ? value : slot.get();
      parsed = saved ? session : parse(text);
    },
    clear,
  };
}

function parse(text: string | null): Session | undefined {
  try {
    const session = JSON.parse(text ?? "");
    return typeof session?.token === "string" && typeof session.id === "string"
      ? { ...session, mark: session.mark ?? null }
      : undefined;
  } catch {
    return undefined;
  }
}
