import type { Channel } from "../endpoint/channel.js";
import type { Discover } from "../endpoint/discovery.js";
import type { SignInOptions } from "./options.js";
import type { Session } from "./session.js";
import type { SessionStore } from "./session-store.js";
import type { Tabs } from "./tabs.js";

/** What the parts of one browser sign-in share. */
export interface SignInContext {
  readonly options: SignInOptions;
  readonly channel: Channel;
  readonly discover: Discover;
  readonly store: SessionStore;
  readonly tabs: Tabs;
  /** Counts them, here and in other tabs: what began before one is not to be kept. */
  readonly signOuts: { count: number };
  /** Names in storage, locks and channels: of this issuer and client alone. */
  readonly key: string;
}

/** Forgets the session of this tab, and with it what is under way for it. */
export function forgetSession({ store, signOuts }: SignInContext): Session | undefined {
  const session = store.read();
  store.clear();
  signOuts.count++;
  return session;
}
