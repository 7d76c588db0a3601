import { RateLimit } from "../bulk/rate-limit.js";
import { platform, sleep } from "../common/environment.js";
import type { FlagTable } from "./command.js";
import { wholeNumber } from "./flags.js";

/** ZITADEL Cloud blocks an address that sends more than 50 requests a second for three minutes. */
const cloudRate = 40;

export const rateFlags = {
  rate: {
    type: "string",
    value: "<n>",
    help: `requests a second at most; ${cloudRate} by default for zitadel.cloud, no limit elsewhere`,
  },
} as const satisfies FlagTable;

/** How many requests may be sent a second, and whether that is the default. */
export interface Rate {
  readonly maxPerSecond: number | undefined;
  readonly isDefault: boolean;
}

/** @throws UsageError unless the flag holds a whole number. */
export function readRate(flag: string | undefined, baseUrl: string): Rate {
  const given = wholeNumber("rate", flag, 100_000);
  if (given !== undefined) {
    return { maxPerSecond: given, isDefault: false };
  }
  const isCloud = /(^|\.)zitadel\.cloud$/i.test(new URL(baseUrl).hostname.replace(/\.$/, ""));
  return { maxPerSecond: isCloud ? cloudRate : undefined, isDefault: true };
}

/** A limit is announced before the run starts. */
export function rateShown({ maxPerSecond, isDefault }: Rate): { readonly Rate?: string } {
  return maxPerSecond === undefined
    ? {}
    : {
        Rate: `${maxPerSecond} requests a second at most${isDefault ? ": the default for zitadel.cloud; --rate changes it" : ""}`,
      };
}

/** Waits until the next request may be sent. */
export function lookupTurns({
  maxPerSecond,
}: Rate): ((signal: AbortSignal | undefined) => Promise<void>) | undefined {
  if (maxPerSecond === undefined) {
    return undefined;
  }
  const limit = new RateLimit(maxPerSecond);
  return async (signal) => {
    for (;;) {
      const waitMs = limit.waitMs(platform.monotonicMs());
      if (waitMs <= 0 || signal?.aborted) {
        limit.sent(platform.monotonicMs());
        return;
      }
      await sleep(platform, waitMs, signal);
    }
  };
}
