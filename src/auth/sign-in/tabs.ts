import type { Environment } from "../../common/environment.js";
import { decodeBase64Url, type Session } from "./session.js";
import type { SessionStore } from "./store.js";

/**
 * Other pages of the same origin that sign in to the same application. Some hold the same session: they
 * share storage, or one is a copy of the other ("duplicate tab" copies `sessionStorage`).
 *
 * All of them are notified of a change. Tokens are sent only to copies of the session, encrypted.
 */
export interface Tabs {
  /** Announces a new session, or a new state of one. */
  changed(session: Session): void;
  /** Announces a sign-out of every tab. */
  signedOut(): void;
  /** Whether another tab had a later state of the session, which is then in the store. Takes up to 1 s. */
  ask(session: Session): Promise<boolean>;
  /**
   * Runs while no other tab runs anything for this session. `behind` is true if another tab has a later state
   * of it, which may not have arrived yet.
   */
  exclusively<T>(session: Session | undefined, run: (behind: boolean) => Promise<T>): Promise<T>;
}

type Message =
  | { readonly kind: "changed" | "ask"; readonly id: string; readonly generation: number }
  | { readonly kind: "session"; readonly id: string; readonly sealed: Sealed }
  | { readonly kind: "signed-out" };

export interface TabsListener {
  /** The session in the store may be another one, or in another state. */
  onChange(): void;
  onSignedOut(): void;
}

const askMs = 1_000;

/**
 * @param name the same in each tab, and in no other application of the origin.
 * @param shares whether other tabs can hold the same session.
 */
export function createTabs(
  name: string,
  shares: boolean,
  store: SessionStore,
  environment: Environment,
  listener: TabsListener,
): Tabs {
  // Not available when a page is rendered on a server, nor in every browser.
  const channel =
    typeof document === "undefined" || typeof BroadcastChannel === "undefined"
      ? undefined
      : new BroadcastChannel(name);
  const post = (message: Message) => channel?.postMessage(message);
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) {
      check();
    }
    listener.onChange();
  };
  const later = (id: string, generation: number) => {
    const own = store.read();
    return own?.id === id && own.generation > generation ? own : undefined;
  };
  const receive = async (message: Message) => {
    if (message.kind === "signed-out") {
      listener.onSignedOut();
      return;
    }
    const own = store.read();
    if (shares && own?.id === message.id) {
      if (message.kind === "session") {
        const session = await unseal(message.sealed, own);
        const current = store.read();
        if (session && current?.id === session.id && current.generation < session.generation) {
          store.write(session);
        }
      } else if (message.kind === "ask") {
        if (own.generation > message.generation) {
          post({ kind: "session", id: own.id, sealed: await seal(own) });
        }
      } else if (own.generation < message.generation) {
        post({ kind: "ask", id: own.id, generation: own.generation });
      }
    }
    look();
  };
  channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    // Any page of the origin can post: a message of another format is ignored.
    receive(data).catch(() => {});
  });
  // In Firefox a message can arrive before what the other tab has stored.
  globalThis.addEventListener?.("storage", ({ key }) => {
    // No key: the storage was cleared.
    if (key === name || key === null) {
      look();
    }
  });
  const locks = shares ? globalThis.navigator?.locks : undefined;
  const lockOf = (id: string) => `${name}:${id}`;
  /** The lock whose name contains the state of its tab. */
  const generationLockOf = (id: string) => `${lockOf(id)}#`;
  let release = () => {};
  return {
    changed: ({ id, generation }) => {
      // Held while this tab is open, so that other tabs see that they are behind before a message arrives.
      locks
        ?.request(generationLockOf(id) + generation, { mode: "shared" }, () => {
          release();
          return new Promise<void>((resolve) => {
            release = resolve;
          });
        })
        .catch(() => {});
      post({ kind: "changed", id, generation });
    },
    signedOut: () => post({ kind: "signed-out" }),
    ask: ({ id, generation }) =>
      new Promise((resolve) => {
        if (!shares) {
          resolve(false);
          return;
        }
        const settle = (found: boolean) => {
          cancel();
          waiting.delete(check);
          resolve(found);
        };
        const check = () => {
          if (later(id, generation)) {
            settle(true);
          }
        };
        const cancel = environment.setTimer(() => settle(false), askMs);
        waiting.add(check);
        post({ kind: "ask", id, generation });
        check();
      }),
    exclusively: async (session, run) => {
      if (locks === undefined || session === undefined) {
        return run(false);
      }
      const prefix = generationLockOf(session.id);
      return locks.request(lockOf(session.id), async () => {
        const { held } = await locks.query();
        const own = store.read()?.generation ?? 0;
        return run(
          held?.some(
            ({ name }) => name?.startsWith(prefix) && Number(name.slice(prefix.length)) > own,
          ) === true,
        );
      });
    },
  };
}

/** A session that only copies of it can read. */
export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

const name = "AES-GCM";

export async function seal(session: Session): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = new TextEncoder().encode(JSON.stringify(session));
  return { iv, data: await crypto.subtle.encrypt({ name, iv }, await keyOf(session), data) };
}

/** Undefined for what was sealed with another key. */
export async function unseal(sealed: Sealed, own: Session): Promise<Session | undefined> {
  try {
    const { iv, data } = sealed;
    const bytes = await crypto.subtle.decrypt({ name, iv }, await keyOf(own), data);
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function keyOf({ shareKey }: Session): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", decodeBase64Url(shareKey), name, false, [
    "encrypt",
    "decrypt",
  ]);
}
