export type BulkCommand = "remove" | "deactivate";

/** How a run is carried out. */
export interface Settings {
  readonly batchSize: number | undefined;
  readonly concurrency: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly giveUpMs: number | undefined;
  readonly json: boolean;
  readonly allowUnknown: boolean;
}

/** So many grants at the start, all unknown, look like the wrong organization. */
export const suspiciousUnknown = 100;
