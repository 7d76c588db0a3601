import type { Environment } from "../../common/time.js";
import type { HeldToken } from "../source.js";

/** The result of a sign-in: plain data, as storages require. */
export interface Session extends HeldToken {
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** The user's id. */
  readonly subject: string;
  /** The value of `SignOutMark` when the sign-in began: with another one, the session is void. */
  readonly mark: string | null;
}

/** A named text in a web storage, and in memory where that takes nothing. No function of it throws. */
interface Slot {
  get(): string | null;
  set(value: string): void;
  remove(): void;
}

const storages = {
  memory: () => undefined,
  sessionStorage: () => globalThis.sessionStorage,
  localStorage: () => globalThis.localStorage,
};

function createSlot(storage: keyof typeof storages, name: string): Slot {
  let unsaved: string | null = null;
  const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
    try {
      // At each use: there is no storage when a page is rendered on a server.
      const found = storages[storage]();
      return found && use(found);
    } catch {
      // It is full, or the browser's settings block it.
      return undefined;
    }
  };
  const remove = () => {
    unsaved = null;
    attempt((found) => found.removeItem(name));
  };
  return {
    // What another tab has stored since is newer.
    get: () => attempt((found) => found.getItem(name)) ?? unsaved,
    set: (value) => {
      const write = () => attempt((found) => found.setItem(name, value) ?? true) ?? false;
      if (!write()) {
        // The old value must not stay, and may have left no room for the new one.
        remove();
        unsaved = write() ? null : value;
      }
    },
    remove,
  };
}

/**
 * A value that each sign-out replaces, in every tab and whatever storage sessions are in. Sessions and
 * sign-ins are void when it is another one than they began with: so a tab learns of a sign-out, at once by
 * the event of the storage, or when it runs again.
 */
export interface SignOutMark {
  read(): string | null;
  /** Voids every session, and every sign-in in progress. */
  replace(): void;
}

export function createMark(name: string, environment: Environment): SignOutMark {
  const slot = createSlot("localStorage", name);
  return {
    read: slot.get,
    replace: () => slot.set(environment.random().toString(36)),
  };
}

/** The tokens of sessions that are over, until they are revoked: they survive a reload where sessions do. */
export interface TokenQueue {
  all(): string[];
  add(session: Session): void;
  remove(token: string): void;
}

export function createQueue(storage: keyof typeof storages, name: string): TokenQueue {
  const slot = createSlot(storage, name);
  const all = (): string[] => {
    try {
      return JSON.parse(slot.get() ?? "[]").map(String);
    } catch {
      return [];
    }
  };
  const save = (tokens: string[]) =>
    tokens.length > 0 ? slot.set(JSON.stringify(tokens)) : slot.remove();
  return {
    all,
    add: ({ token, refreshToken = token }) => save([...new Set([...all(), refreshToken])]),
    remove: (token) => save(all().filter((one) => one !== token)),
  };
}

/** Stores the session of this tab, or of all tabs. No function of it throws. */
export interface SessionStore {
  /** The session, unless the user has signed out since it began: the same object until it changes. */
  read(): Session | undefined;
  write(session: Session): void;
  clear(): void;
}

/** @param onVoid takes a session that another tab has signed out, and did not know: its tokens are alive. */
export function createStore(
  storage: keyof typeof storages,
  name: string,
  mark: SignOutMark,
  onVoid: (session: Session) => void,
): SessionStore {
  const slot = createSlot(storage, name);
  let session: Session | undefined;
  /** Of the session. With another text in the storage, another tab has written it. */
  let text: string | null = null;
  const set = (value: Session | undefined) => {
    session = value;
    text = slot.get();
  };
  const clear = () => {
    slot.remove();
    set(undefined);
  };
  return {
    read: () => {
      const found = slot.get();
      if (found !== text) {
        text = found;
        session = parse(found);
      }
      const current = session;
      if (current === undefined || current.mark === mark.read()) {
        return current;
      }
      clear();
      onVoid(current);
      return undefined;
    },
    write: (value) => {
      slot.set(JSON.stringify(value));
      set(value);
    },
    clear,
  };
}

function parse(text: string | null): Session | undefined {
  try {
    const session = JSON.parse(text ?? "");
    return typeof session?.token === "string" ? session : undefined;
  } catch {
    return undefined;
  }
}
