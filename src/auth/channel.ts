import type { Environment } from "../common/environment.js";
import type { CommonTokenOptions } from "./options.js";

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

/** A smaller clock skew does no harm, and `Date` is accurate only to a second. */
const toleranceMs = 5_000;

/** The authorization server's time, as derived from its responses. */
export interface ServerClock {
  /** Milliseconds since the epoch, by the server's clock. */
  nowMs(): number;
  /** How far the server's clock is ahead of this machine's, in milliseconds; 0 for less than 5 s. */
  offsetMs(): number;
  /** Takes the time from a value that the server has just dated; NaN is ignored. */
  note(dateMs: number): void;
  /** "The clock of this machine is 70 s ahead of the server's"; undefined if the clock is right. */
  complaint(): string | undefined;
}

export function createServerClock(environment: Environment): ServerClock {
  let offsetMs = 0;
  return {
    nowMs: () => environment.wallMs() + offsetMs,
    offsetMs: () => offsetMs,
    note: (dateMs) => {
      const foundMs = dateMs - environment.wallMs();
      if (!Number.isNaN(foundMs)) {
        offsetMs = Math.abs(foundMs) < toleranceMs ? 0 : foundMs;
      }
    },
    complaint: () =>
      offsetMs === 0
        ? undefined
        : `The clock of this machine is ${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? "ahead of" : "behind"} the server's`,
  };
}

/**
 * The server's time by the `Date` of a response; NaN if it is missing or invalid. A cache adds its `Age`
 * (RFC 9111, section 5.1).
 */
export function readDateMs(headers: Headers): number {
  const date = headers.get("date") ?? "";
  // Platforms parse other text as a date as well: "-5", or, in local time, one without its zone.
  return /^[a-z]{3,}, .+ GMT$/i.test(date)
    ? Date.parse(date) + (Number(headers.get("age")) || 0) * 1000
    : Number.NaN;
}
