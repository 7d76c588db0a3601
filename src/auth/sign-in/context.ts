import type { Channel } from "../channel.js";
import type { Discover } from "../discovery.js";
import type { SignInOptions } from "./options.js";
import type { Session } from "./session.js";
import type { SessionStore } from "./store.js";
import type { Tabs } from "./tabs.js";

/** State shared by the parts of one browser sign-in. */
export interface SignInContext {
  readonly options: SignInOptions;
  readonly channel: Channel;
  readonly discover: Discover;
  readonly store: SessionStore;
  readonly tabs: Tabs;
  /** Counts sign-outs, here and in other tabs: what began before a sign-out is discarded. */
  readonly signOuts: { count: number };
  /** Names in storage, locks and channels, specific to this issuer and client. */
  readonly key: string;
}

/** Forgets the session of this tab, and what is in progress for it. */
export function forgetSession({ store, signOuts }: SignInContext): Session | undefined {
  const session = store.read();
  store.clear();
  signOuts.count++;
  return session;
}
