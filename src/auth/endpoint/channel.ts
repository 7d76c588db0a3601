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
  /** What errors must not show: what was sent and what was issued, the latest last. */
  readonly secrets: Set<string>;
}

/** A request carries few, and servers repeat what they were sent of late. */
const maxSecrets = 20;

/** Has the errors of this channel show no such text from now on. */
export function keepSecret({ secrets }: Channel, ...texts: readonly (string | undefined)[]): void {
  for (const text of texts) {
    if (text) {
      secrets.delete(text);
      secrets.add(text);
    }
  }
  for (const oldest of secrets) {
    if (secrets.size <= maxSecrets) {
      break;
    }
    secrets.delete(oldest);
  }
}

export function createChannel(
  { fetch, instanceHost }: CommonTokenOptions,
  environment: Environment,
): Channel {
  const clock = createServerClock(environment);
  return { environment, fetch, instanceHost, clock, secrets: new Set() };
}
