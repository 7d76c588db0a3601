import type { HttpResponse } from "./http.js";

/**
 * Counts requests: the requests of one second may come at once, and more as time passes.
 *
 * @returns whether one more is allowed.
 */
export function createRateLimit(requestsPerSecond: number, now: () => number): () => boolean {
  let left = requestsPerSecond;
  let sinceMs = now();
  return () => {
    const nowMs = now();
    left = Math.min(requestsPerSecond, left + ((nowMs - sinceMs) / 1000) * requestsPerSecond);
    sinceMs = nowMs;
    if (left < 1) {
      return false;
    }
    left -= 1;
    return true;
  };
}

/** The response of the proxy in front of ZITADEL Cloud, for every protocol. */
export const tooManyRequests: HttpResponse = {
  status: 429,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "429 Too Many Requests\n",
};
