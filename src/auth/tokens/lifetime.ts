import type { Environment } from "../../common/environment.js";

/** The lifetime of a token, counted from when it was requested. */
export interface Lifetime {
  readonly startedAtWallMs: number;
  readonly startedAtMonotonicMs: number;
  /**
   * The server's `expires_in`; undefined if it was missing: the token is then used until a server rejects it.
   */
  readonly durationMs: number | undefined;
}

export interface HeldToken {
  readonly token: string;
  readonly lifetime: Lifetime;
}

/** A token is renewed this long before it expires, or a tenth of its lifetime if that is less. */
const maxMarginMs = 60_000;

/**
 * Records when a token is requested; the server counts from slightly later. The returned function takes the
 * `expires_in` of the response, in seconds.
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

/** Whether a new token is due: the old one has expired, or is about to. */
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
 * The age by the clock that shows more: the monotonic clock may stop while a laptop sleeps, and the wall
 * clock may be set back.
 */
function ageMs(lifetime: Lifetime, environment: Environment): number {
  return Math.max(
    environment.wallMs() - lifetime.startedAtWallMs,
    environment.monotonicMs() - lifetime.startedAtMonotonicMs,
  );
}

/** Milliseconds until a token expires; undefined if the lifetime is unknown. */
export function remainingLifeMs(lifetime: Lifetime, environment: Environment): number | undefined {
  const { durationMs } = lifetime;
  return durationMs === undefined ? undefined : durationMs - ageMs(lifetime, environment);
}
