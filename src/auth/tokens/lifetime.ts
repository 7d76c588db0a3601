import type { Environment } from "../../common/environment.js";

/** How long a token lives, counted from when it was asked for. */
export interface Lifetime {
  readonly startedAtWallMs: number;
  readonly startedAtMonotonicMs: number;
  /** The server's `expires_in`; undefined where it did not say: then until a server refuses the token. */
  readonly durationMs: number | undefined;
}

export interface HeldToken {
  readonly token: string;
  readonly lifetime: Lifetime;
}

/** A token is renewed this long before it expires, or a tenth of its life where that is less. */
const maxMarginMs = 60_000;

/**
 * Notes the time at which a token is asked for: the server counts from somewhat later. The function
 * returned takes the `expires_in` of the response, in seconds.
 */
export function startLifetime(
  environment: Environment,
): (expiresInSeconds: number | undefined) => Lifetime {
  const startedAtWallMs = environment.wallMs();
  const startedAtMonotonicMs = environment.monotonicMs();
  return (expiresInSeconds) => ({
    startedAtWallMs,
    startedAtMonotonicMs,
    durationMs: expiresInSeconds === undefined ? undefined : expiresInSeconds * 1000,
  });
}

/** Whether it is time for a new token: the old one has expired, or is about to. */
export function isDue(lifetime: Lifetime, environment: Environment): boolean {
  const { durationMs } = lifetime;
  return (
    durationMs !== undefined &&
    ageMs(lifetime, environment) >= durationMs - Math.min(maxMarginMs, durationMs / 10)
  );
}

export function isExpired(lifetime: Lifetime, environment: Environment): boolean {
  const { durationMs } = lifetime;
  return durationMs !== undefined && ageMs(lifetime, environment) >= durationMs;
}

/**
 * By the clock that says more: the monotonic one may stand still while a laptop sleeps, and the wall
 * clock may be set back.
 */
function ageMs(lifetime: Lifetime, environment: Environment): number {
  return Math.max(
    environment.wallMs() - lifetime.startedAtWallMs,
    environment.monotonicMs() - lifetime.startedAtMonotonicMs,
  );
}

/** Milliseconds until a token expires; undefined when the server did not say. */
export function remainingLifeMs(lifetime: Lifetime, environment: Environment): number | undefined {
  const { durationMs } = lifetime;
  return durationMs === undefined ? undefined : durationMs - ageMs(lifetime, environment);
}
