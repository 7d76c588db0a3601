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
/** For how long requests are retried while the server accepts none of them, as in a run. */
export const giveUpAfterMs = 300_000;

/** Decides how long requests are retried that fail transiently: until the server has accepted none for too long. */
export class Patience {
  readonly #environment: Environment;
  #troubleSinceMs: number | undefined;

  constructor(environment: Environment = platform) {
    this.#environment = environment;
  }

  /** The server has accepted or decided a request. */
  renew(): void {
    this.#troubleSinceMs = undefined;
  }

  /** @returns how long to wait: doubling, and at least what the server asks for. Undefined to give up. */
  pauseMs(error: ConnectError, attempt: number, giveUpMs = giveUpAfterMs): number | undefined {
    const environment = this.#environment;
    const nowMs = environment.monotonicMs();
    this.#troubleSinceMs ??= nowMs;
    const leftMs = this.#troubleSinceMs + giveUpMs - nowMs;
    const askedMs = retryAfterMs(error, environment.wallMs()) ?? 0;
    const nextMs = Math.max(askedMs, exponential(environment, pause, attempt));
    return leftMs <= 0 ? undefined : Math.min(leftMs, longestAskedMs, nextMs);
  }
}

/**
 * Calls `work` for each value, at most `concurrency` at a time, and resolves when all are done.
 *
 * @throws the error of a call that fails, after those in flight have settled; no further value is taken then.
 */
export async function inParallel<T>(
  values: Iterable<T> | AsyncIterable<T>,
  concurrency: number,
  work: (value: T) => Promise<void>,
): Promise<void> {
  async function* queue() {
    yield* values;
  }
  // A generator takes several calls of `next()` at once. A worker that fails ends it.
  const shared = queue();
  const worker = async () => {
    for await (const value of shared) {
      await work(value);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  for (const end of ends) {
    if (end.status === "rejected") {
      throw end.reason;
    }
  }
}
