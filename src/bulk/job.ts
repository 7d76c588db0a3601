import type { Environment } from "../common/environment.js";
import type { Ledger } from "./ledger.js";
import type { LostRequests } from "./lost-requests.js";
import type { BulkOptions } from "./options.js";
import type { Outcome } from "./outcome.js";
import type { Ask } from "./requests.js";
import type { Grant, Reading } from "./source.js";

/** What the work of a run operates on. */
export interface WorkContext<G extends Grant, Status extends string> {
  readonly ask: Ask<G>;
  readonly ledger: Ledger<Status>;
  /** Returns undecided grants to the pool, to be requested with others. */
  readonly giveBack: (grants: readonly G[]) => void;
}

export interface Work<G extends Grant> {
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** Sends requests until each grant of the group is decided or returned to the pool. */
  readonly work: (group: readonly G[]) => Promise<void>;
}

/** One kind of bulk work. */
export interface Job<G extends Grant, Status extends string> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly options: BulkOptions<Outcome<Status | "failed">>;
  readonly environment: Environment;
  readonly concurrency: number;
  /** The most grants in one request, and the most bytes. */
  readonly batchSize: number;
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** All statuses that a grant can have. */
  readonly statuses: readonly (Status | "failed")[];
  /** The id with which this RPC reports an unknown grant. */
  readonly notFoundId: string;
  readonly read: (value: unknown) => Reading<G>;
  readonly createWork: (context: WorkContext<G, Status>) => Work<G>;
  /** Requests of an earlier run whose responses were lost. */
  readonly earlier?: LostRequests | undefined;
}
