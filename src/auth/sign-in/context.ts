import type { Environment } from "../../common/time.js";
import type { HeldToken, Lifetime } from "../source.js";
import type { SignInOptions } from "./options.js";
import type { Session } from "./session.js";
import type { SessionStore, SignOutMark, TokenQueue } from "./store.js";

/** State shared by the parts of one sign-in. */
export interface SignInContext {
  readonly options: SignInOptions;
  readonly environment: Environment;
  /** Names in storage, locks and channels, specific to this issuer and client. */
  readonly key: string;
  readonly store: SessionStore;
  readonly mark: SignOutMark;
  /** Tokens of sessions that are over, until the server has confirmed their revocation. */
  readonly unrevoked: TokenQueue;
  /** Aborted by `close()`. */
  readonly closed: AbortSignal;
  /** Every sign-in of the page, this one included. */
  readonly page: Iterable<Pick<SignInOptions, "issuer" | "redirectUri">>;
  /** Sends a message to the other tabs. */
  post(message: Message): void;
  /** Resolves when no sign-in is being handled; undefined if that is already so. */
  signingIn(): Promise<unknown> | undefined;
  /** Whether the page knows that this user is signed in. */
  knows(session: Session): boolean;
  held(): HeldToken | undefined;
  lifetimeOf(session: Session): Lifetime;
  /** Reports to the page what has become of the session. */
  look(): void;
}

/** A session that only copies of it can read. */
export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

/** What tabs tell each other. */
export type Message =
  | { readonly kind: "changed" | "ask"; readonly id: string; readonly generation: number }
  | { readonly kind: "session"; readonly id: string; readonly sealed: Sealed }
  | { readonly kind: "signed-out"; readonly mark: string };
