import type { Environment } from "../tokens/environment.js";
import type { Session, SessionStore } from "./session.js";

/**
 * Other pages of the same origin that may hold the same session: they share storage, or one is a copy
 * of the other ("duplicate tab" copies `sessionStorage`).
 */
export interface Tabs {
  /** Hands on a session that has just been refreshed. */
  tell(session: Session): void;
  /** Says that a session has been signed out of. */
  end(session: Session): void;
  /** Whether another tab had a later state of the session, which is then in the store. Asks for 1 s. */
  ask(session: Session): Promise<boolean>;
  /** Runs while no other tab runs anything here. `waited` says that another one just did. */
  exclusively<T>(run: (waited: boolean) => Promise<T>): Promise<T>;
}

type Message =
  | { readonly kind: "session"; readonly session: Session }
  | { readonly kind: "end"; readonly id: string }
  | { readonly kind: "ask"; readonly id: string; readonly generation: number };

const askMs = 1_000;

/** For a session that no other tab can hold. */
export const noTabs: Tabs = {
  tell: () => {},
  end: () => {},
  ask: async () => false,
  exclusively: (run) => run(false),
};

/** @param name the same in each tab, and in no other application of the origin. */
export function createTabs(name: string, store: SessionStore, environment: Environment): Tabs {
  // Neither is there where a page is rendered on a server, nor in every browser.
  const channel =
    typeof document === "undefined" || typeof BroadcastChannel === "undefined"
      ? undefined
      : new BroadcastChannel(name);
  const post = (message: Message) => channel?.postMessage(message);
  const listeners = new Set<() => void>();
  channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    const own = store.read();
    if (data.kind === "session") {
      if (own?.id === data.session.id && own.generation < data.session.generation) {
        store.write(data.session);
      }
      for (const listener of listeners) {
        listener();
      }
    } else if (own?.id === data.id) {
      if (data.kind === "end") {
        store.clear();
      } else if (own.generation > data.generation) {
        post({ kind: "session", session: own });
      }
    }
  });
  return {
    tell: (session) => post({ kind: "session", session }),
    end: ({ id }) => post({ kind: "end", id }),
    ask: ({ id, generation }) =>
      new Promise((resolve) => {
        const settle = (found: boolean) => {
          cancel();
          listeners.delete(look);
          resolve(found);
        };
        const look = () => {
          const own = store.read();
          if (own?.id === id && own.generation > generation) {
            settle(true);
          }
        };
        const cancel = environment.setTimer(() => settle(false), askMs);
        listeners.add(look);
        post({ kind: "ask", id, generation });
        look();
      }),
    exclusively: async (run) => {
      const locks = globalThis.navigator?.locks;
      if (locks === undefined) {
        return run(false);
      }
      const free = await locks.request(name, { ifAvailable: true }, async (lock) =>
        lock === null ? undefined : { value: await run(false) },
      );
      return free === undefined ? locks.request(name, () => run(true)) : free.value;
    },
  };
}
