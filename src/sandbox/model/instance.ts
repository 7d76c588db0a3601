import type { OAuthState } from "./oauth-state.js";
import type { State } from "./state.js";

/** One ZITADEL instance: what its endpoints share. */
export interface Instance {
  readonly state: State;
  /** Who can sign in, and who has. */
  readonly oauth: OAuthState;
  /** Host names that the instance answers to, without port. The first is its ExternalDomain. */
  readonly hosts: readonly string[];
  /** How a second deactivation is answered. */
  readonly inactive: "ok" | "error";
  /** How long a management call takes, and each id of a bulk removal on top. */
  readonly requestLatencyMs: number;
  readonly idLatencyMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly nextRequestId: () => string;
}
