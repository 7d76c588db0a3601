import type { Environment } from "../../common/environment.js";
import type { CommonTokenOptions } from "./options.js";
import { createServerClock, type ServerClock } from "./server-clock.js";

/** What the exchanges of one token source have in common. */
export interface Channel {
  readonly environment: Environment;
  /** The caller's; undefined for the global one. */
  readonly fetch: typeof globalThis.fetch | undefined;
  /** Sent with each request, where `issuer` is not the instance's own domain. */
  readonly instanceHost: string | undefined;
  readonly clock: ServerClock;
}

export function createChannel(
  { fetch, instanceHost }: CommonTokenOptions,
  environment: Environment,
): Channel {
  return { environment, fetch, instanceHost, clock: createServerClock(environment) };
}
