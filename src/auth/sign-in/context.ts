import type { Environment } from "../../common/time.js";
import type { Discover } from "../discovery.js";
import type { Channel } from "../endpoint.js";
import type { SignInOptions } from "./options.js";
import type { Presence } from "./session.js";
import type { Session, SessionStore, SignOutMark, TokenQueue } from "./store.js";

/** State shared by the parts of one sign-in. */
export interface SignInContext {
  readonly options: SignInOptions;
  readonly environment: Environment;
  /** Names in storage, locks and states begin with it, specific to this issuer and client. */
  readonly key: string;
  readonly store: SessionStore;
  readonly mark: SignOutMark;
  readonly unrevoked: TokenQueue;
  readonly presence: Presence;
  /** Aborted by `close()`. */
  readonly closed: AbortSignal;
  /** Every sign-in of the page, this one included. */
  readonly page: Iterable<Pick<SignInOptions, "issuer" | "redirectUri">>;
  /** The response of the login page that is being handled. */
  handling(): Promise<unknown> | undefined;
}

/** The same for the parts that talk to the authorization server. */
export interface ServerContext extends SignInContext {
  readonly channel: Channel;
  readonly discover: Discover;
  /** Revokes the tokens of a session that belongs to nobody. */
  discard(session: Session): void;
}
