import type { Environment } from "../common/environment.js";
import type { Ledger } from "./ledger.js";
import type { LostAnswers } from "./lost-answers.js";
import type { BulkOptions } from "./options.js";
import type { Outcome } from "./outcome.js";
import type { Ask } from "./requests.js";
import type { Grant, Reading } from "./source.js";

/** What the work of a run has to do with. */
export interface WorkContext<G extends Grant, Status extends string> {
  readonly ask: Ask<G>;
  readonly ledger: Ledger<Status>;
  /** Takes back grants that are not decided, to be asked for with others. */
  readonly giveBack: (grants: readonly G[]) => void;
}

export interface Work<G extends Grant> {
  /** How many grants the next request should hold. */
  readonly groupSize: () => number;
  /** Asks until each grant of the group is decided or given back. */
  readonly work: (group: readonly G[]) => Promise<void>;
}

/** One kind of bulk work. */
export interface Job<G extends Grant, Status extends string> {
  readonly values: Iterable<unknown> | AsyncIterable<unknown>;
  readonly options: BulkOptions<Outcome<Status | "failed">>;
  readonly environment: Environment;
  readonly concurrency: number;
  /** Grants in one request at most, and their bytes. */
  readonly batchSize: number;
  readonly mostBytes: number;
  readonly bytesOf: (grant: G) => number;
  /** All that can become of a grant. */
  readonly statuses: readonly (Status | "failed")[];
  /** The id with which this RPC says that a grant is unknown. */
  readonly notFoundId: string;
  readonly read: (value: unknown) => Reading<G>;
  readonly createWork: (context: WorkContext<G, Status>) => Work<G>;
  /** Requests of an earlier run whose responses never came. */
  readonly earlier?: LostAnswers | undefined;
}
