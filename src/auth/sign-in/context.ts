import type { Client } from "oauth4webapi";
import type { Channel } from "../endpoint/channel.js";
import type { Discover } from "../endpoint/discovery.js";
import type { SignInOptions } from "./options.js";
import type { SessionStore } from "./session.js";
import type { Tabs } from "./tabs.js";

/** What the parts of one browser sign-in share. */
export interface SignInContext {
  readonly options: SignInOptions;
  readonly channel: Channel;
  readonly discover: Discover;
  readonly client: Client;
  readonly store: SessionStore;
  readonly tabs: Tabs;
  /** Names in storage, locks and channels: of this issuer and client alone. */
  readonly key: string;
}
