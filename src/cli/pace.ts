import type { ConnectError } from "@connectrpc/connect";
import {
  type Environment,
  exponential,
  platform,
  RateLimit,
  retryAfterMs,
  sleep,
} from "../bulk/internal.js";
import { type FlagTable, wholeNumber } from "./flags.js";

/** ZITADEL Cloud blocks an address that sends more than 50 requests a second for three minutes. */
const cloudRate = 40;

export const rateFlags = {
  rate: {
    type: "string",
    value: "<n>",
    help: `requests a second at most; for zitadel.cloud ${cloudRate}`,
  },
} as const satisfies FlagTable;

/** How many requests may be sent a second, if that is limited. @throws UsageError unless the flag holds a whole number. */
export function readRate(flag: string | undefined, baseUrl: string): number | undefined {
  const isCloud = /(^|\.)zitadel\.cloud$/i.test(new URL(baseUrl).hostname.replace(/\.$/, ""));
  return wholeNumber("rate", flag, 100_000) ?? (isCloud ? cloudRate : undefined);
}

/** A limit is announced before the run starts. */
export function rateShown(rate: number | undefined): { readonly Rate?: string } {
  return rate === undefined ? {} : { Rate: `${rate} requests a second at most (--rate)` };
}

/** Waits until the next request may be sent. */
export function lookupTurns(
  rate: number | undefined,
): ((signal: AbortSignal | undefined) => Promise<void>) | undefined {
  if (rate === undefined) {
    return undefined;
  }
  const limit = new RateLimit(rate);
  return async (signal) => {
    for (;;) {
      const waitMs = limit.waitMs(platform.monotonicMs());
      if (waitMs <= 0 || signal?.aborted) {
        limit.add(platform.monotonicMs());
        return;
      }
      await sleep(platform, waitMs, signal);
    }
  };
}

const pause = { firstMs: 250, maxMs: 30_000 };
const longestAskedMs = 60_000;

/** Milliseconds before the next attempt: doubling, and at least what the server asks for. */
export function retryPauseMs(
  environment: Environment,
  attempt: number,
  error: ConnectError,
): number {
  const askedMs = retryAfterMs(error, environment.wallMs()) ?? 0;
  return Math.min(longestAskedMs, Math.max(askedMs, exponential(environment, pause, attempt)));
}

/**
 * Calls `work` for each value, at most `concurrency` at a time, and resolves when all are done.
 *
 * @throws the error of the first call that fails, after those in flight have settled; no further call is
 * started then.
 */
export async function inParallel<T>(
  values: Iterable<T> | AsyncIterable<T>,
  concurrency: number,
  work: (value: T) => Promise<void>,
): Promise<void> {
  let failure: { readonly reason: unknown } | undefined;
  // A generator takes several calls of `next()` at once.
  async function* queue() {
    yield* values;
  }
  const shared = queue();
  const worker = async () => {
    try {
      for await (const value of shared) {
        if (failure !== undefined) {
          return;
        }
        await work(value);
      }
    } catch (reason) {
      failure ??= { reason };
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (failure !== undefined) {
    throw failure.reason;
  }
}
