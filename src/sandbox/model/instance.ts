import type { FaultQueue } from "./faults.js";
import type { Generation } from "./generation.js";
import type { OAuthState } from "./oauth-state.js";
import type { State } from "./state.js";

/** One ZITADEL instance: what its endpoints share. */
export interface Instance {
  readonly state: State;
  /** Who can sign in, and who has. */
  readonly oauth: OAuthState;
  /** Host names that the instance serves, without port. The first is its ExternalDomain. */
  readonly hosts: readonly string[];
  readonly generation: Generation;
  /** How long a management call takes, and each id of a bulk removal on top. */
  readonly requestLatencyMs: number;
  readonly idLatencyMs: number;
  /** What is to go wrong. */
  readonly faults: FaultQueue;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** The `x-request-id` of the next response, as a header; none where this generation sends none. */
  readonly requestIdHeader: () => { readonly "x-request-id"?: string };
}
