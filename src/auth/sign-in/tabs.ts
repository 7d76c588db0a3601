import type { Message, Sealed, SignInContext } from "./context.js";
import { decodeBase64Url, type Session } from "./session.js";

/**
 * Other pages of the same origin that sign in to the same application. Some hold the same session: they
 * share storage, or one is a copy of the other ("duplicate tab" copies `sessionStorage`).
 *
 * All of them are notified of a change. Tokens are sent only to copies of the session, encrypted.
 */
export interface Tabs {
  /** Announces a new session, or a new state of one. */
  changed(session: Session): void;
  /** Whether another tab had a later state of the session, which is then in the store. Takes up to 1 s. */
  ask(session: Session): Promise<boolean>;
  /** Takes a message about the session of this tab. */
  receive(message: Message): Promise<void>;
  /**
   * Runs while no other tab runs anything for this session. `behind` is true if another tab has a later state
   * of it, which may not have arrived yet.
   */
  exclusively<T>(session: Session | undefined, run: (behind: boolean) => Promise<T>): Promise<T>;
}

const askMs = 1_000;

export function createTabs({
  options,
  environment,
  key,
  store,
  closed,
  post,
}: SignInContext): Tabs {
  const shares = options.storage !== undefined && options.storage !== "memory";
  const locks = shares ? globalThis.navigator?.locks : undefined;
  const lockOf = (id: string) => `${key}:${id}`;
  /** The lock whose name contains the state of its tab. */
  const generationLockOf = (id: string) => `${lockOf(id)}#`;
  const waiting = new Set<() => void>();
  let release = () => {};
  closed.addEventListener("abort", () => release());
  const isLater = (id: string, generation: number) => {
    const own = store.read();
    return own?.id === id && own.generation > generation;
  };
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
          if (isLater(id, generation)) {
            settle(true);
          }
        };
        const cancel = environment.setTimer(() => settle(false), askMs);
        waiting.add(check);
        post({ kind: "ask", id, generation });
        check();
      }),
    receive: async (message) => {
      const own = store.read();
      if (own !== undefined && message.kind === "session") {
        const session = await unseal(message.sealed, own);
        const current = store.read();
        if (session && current?.id === session.id && current.generation < session.generation) {
          store.write(session);
        }
      } else if (own !== undefined && message.kind === "ask") {
        if (own.generation > message.generation) {
          post({ kind: "session", id: own.id, sealed: await seal(own) });
        }
      } else if (message.kind === "changed" && own && own.generation < message.generation) {
        post({ kind: "ask", id: own.id, generation: own.generation });
      }
      for (const check of waiting) {
        check();
      }
    },
    exclusively: async (session, run) => {
      if (locks === undefined || session === undefined) {
        return run(false);
      }
      const prefix = generationLockOf(session.id);
      let began = false;
      try {
        return await locks.request(lockOf(session.id), async () => {
          const { held } = await locks.query();
          began = true;
          const own = store.read()?.generation ?? 0;
          return run(
            held?.some(
              ({ name }) => name?.startsWith(prefix) && Number(name.slice(prefix.length)) > own,
            ) === true,
          );
        });
      } catch (reason) {
        if (began) {
          throw reason;
        }
        // Where the browser's settings block all storage, there are no locks, and nothing is shared.
        return run(false);
      }
    },
  };
}

const name = "AES-GCM";

async function seal(session: Session): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = new TextEncoder().encode(JSON.stringify(session));
  return { iv, data: await crypto.subtle.encrypt({ name, iv }, await keyOf(session), data) };
}

/** Undefined for what was sealed with another key. */
async function unseal(sealed: Sealed, own: Session): Promise<Session | undefined> {
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
