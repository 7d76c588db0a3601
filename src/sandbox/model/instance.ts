import type { FaultQueue } from "./faults.js";
import type { Generation } from "./generation.js";
import type { OAuthState } from "./oauth-state.js";
import type { State } from "./state.js";

/** One ZITADEL instance: the state shared by its endpoints. */
export interface Instance {
  readonly state: State;
  /** Who can sign in, and who is signed in. */
  readonly oauth: OAuthState;
  /** Host names that the instance serves, without port. The first is its ExternalDomain. */
  readonly hosts: readonly string[];
  readonly generation: Generation;
  /** How long a management call takes, and in addition each id of a bulk removal. */
  readonly requestLatencyMs: number;
  readonly idLatencyMs: number;
  /** Injected faults. */
  readonly faults: FaultQueue;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** The `x-request-id` header of the next response; undefined if this generation does not send it. */
  readonly requestIdHeader: () => { readonly "x-request-id"?: string };
}

/**
 * An error of Go's protobuf library. Each build of it has a space or a no-break space after its name, so that
 * its messages cannot be compared; those with the latter also have spaces in JSON.
 */
export function protoError({ generation }: Instance, text: string): string {
  return `proto:${generation === "v4" ? "\u00a0" : " "}${text}`;
}
