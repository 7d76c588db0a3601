import type { Rate } from "./rate.js";

export type BulkCommand = "remove" | "deactivate";

/** How a run is carried out. */
export interface Settings {
  /** How many requests may be sent a second to that instance. */
  readonly rate: (baseUrl: string) => Rate;
  readonly batchSize: number | undefined;
  readonly concurrency: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly giveUpMs: number | undefined;
  readonly json: boolean;
  /** Only problems are reported. */
  readonly quiet: boolean;
  readonly allowUnknown: boolean;
}

/** This many unknown grants at the start suggest the wrong organization. */
export const suspiciousUnknown = 100;
