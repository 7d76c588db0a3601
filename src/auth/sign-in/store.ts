import type { Environment } from "../../common/time.js";
import type { HeldToken } from "../source.js";

/** The result of a sign-in: plain data, as storages require. */
export interface Session extends HeldToken {
  /** Generated at sign-in. */
  readonly id: string;
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** The user's id. */
  readonly subject: string;
  /** The value of `SignOutMark` when the sign-in began: with another one, the session is void. */
  readonly mark: string | null;
}

/** A named text in a web storage. No function of it throws. */
interface Slot {
  get(): string | null;
  /** An old value does not stay where the new one is rejected: the storage is full, or blocked. */
  set(value: string): void;
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
  const slot: Slot = {
    get: () => attempt((found) => found.getItem(name)) ?? null,
    set: (value) => {
      const write = () => attempt((found) => found.setItem(name, value) ?? true);
      if (!write()) {
        slot.remove();
        // The old value may have left no room.
        write();
      }
    },
    remove: () => attempt((found) => found.removeItem(name)),
  };
  return slot;
}

const storages = {
  memory: () => undefined,
  sessionStorage: () => globalThis.sessionStorage,
  localStorage: () => globalThis.localStorage,
};

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
  const slot = createSlot(storages.localStorage, name);
  let own: string | null = null;
  return {
    // Without a storage, sign-outs of this page alone are known.
    read: () => slot.get() ?? own,
    replace: () => {
      own = environment.random().toString(36);
      slot.set(own);
    },
  };
}

/** The tokens of sessions that are over, until they are revoked: they survive a reload where sessions do. */
export interface TokenQueue {
  all(): string[];
  add(session: Session): void;
  remove(token: string): void;
}

export function createQueue(storage: keyof typeof storages, name: string): TokenQueue {
  const slot = createSlot(storages[storage], name);
  const own = new Set<string>();
  const stored = (): string[] => {
    try {
      return JSON.parse(slot.get() ?? "[]").map(String);
    } catch {
      return [];
    }
  };
  return {
    all: () => [...new Set([...own, ...stored()])],
    add: ({ token, refreshToken = token }) => {
      own.add(refreshToken);
      slot.set(JSON.stringify([...stored(), refreshToken]));
    },
    remove: (token) => {
      own.delete(token);
      const left = stored().filter((one) => one !== token);
      if (left.length > 0) {
        slot.set(JSON.stringify(left));
      } else {
        slot.remove();
      }
    },
  };
}

/** Stores the session of this tab, or of all tabs. No function of it throws. */
export interface SessionStore {
  /** The session, unless the user has signed out since it began: the same object until it changes. */
  read(): Session | undefined;
  /** A session that the storage rejects is kept in memory: its refresh token is the only valid one. */
  write(session: Session): void;
  clear(): void;
}

/**
 * @param onVoid takes a session of this tab that another tab has signed out. One that all tabs share is
 * revoked by the tab that signed out.
 */
export function createStore(
  storage: keyof typeof storages,
  name: string,
  mark: SignOutMark,
  onVoid: (session: Session) => void,
): SessionStore {
  const slot = createSlot(storages[storage], name);
  let session: Session | undefined;
  /** What the storage held when the session was read or written: with another text, another tab wrote it. */
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
      if (storage !== "localStorage") {
        clear();
        onVoid(current);
      }
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
    return typeof session?.token === "string" && typeof session.id === "string"
      ? session
      : undefined;
  } catch {
    return undefined;
  }
}
