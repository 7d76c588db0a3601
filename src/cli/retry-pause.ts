import type { ConnectError } from "@connectrpc/connect";
import { retryAfterMs } from "../bulk/classify.js";
import { type Environment, jittered } from "../common/environment.js";

const firstPauseMs = 250;
const longestPauseMs = 30_000;
const longestAskedMs = 60_000;

/** Milliseconds before the next attempt: doubling, and at least what the server asks for. */
export function retryPauseMs(
  environment: Environment,
  attempt: number,
  error: ConnectError,
): number {
  const askedMs = retryAfterMs(error, environment.wallMs()) ?? 0;
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1));
  return Math.min(longestAskedMs, Math.max(askedMs, jittered(environment, pauseMs)));
}
