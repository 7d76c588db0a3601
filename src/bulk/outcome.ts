import type { ConnectError } from "@connectrpc/connect";
import { platform } from "../common/time.js";
import { describeError } from "../errors/describe.js";
import { type Checks, checkOptions, integer, isFunction, listOf } from "../options/checker.js";

/** The outcome of one grant in a bulk run. */
export interface Outcome<Status extends string> {
  readonly grantId: string;
  readonly status: Status;
  /** Why the grant is not confirmed; only with `failed`. It is of the last request, or of the whole run. */
  readonly error?: ConnectError;
  /**
   * A request that held this grant may have been applied although no response says so: this run may have
   * changed the grant. Covers all requests of the run, while `mayHaveBeenApplied(error)` is about one.
   */
  readonly answerLost?: true;
}

/**
 * - `removed`: the response to a request that held this grant was OK. Nothing else is `removed`.
 * - `not-found`: the response to a request for this grant alone was that it does not exist: it is gone, it
 *   never existed, or the organization is the wrong one, which looks the same. With `answerLost` this run may
 *   have removed it.
 * - `failed`: not confirmed; `error` has the reason. With `answerLost` it may have been removed all the same.
 */
export type RemoveStatus = "removed" | "not-found" | "failed";
/** What `removeUserGrants` yields. */
export type RemoveOutcome = Outcome<RemoveStatus>;

/**
 * - `deactivated`: the server responded with OK; the grant is inactive now. ZITADEL v4 and later respond with OK for
 *   a grant that was inactive before, too.
 * - `already-inactive`: the server reported that it was inactive before, as ZITADEL before v4 does. With
 *   `answerLost` this run may have deactivated it.
 * - `not-found`: there is no such grant in this organization.
 * - `failed`: not confirmed; `error` has the reason. With `answerLost` it may be inactive all the same.
 */
export type DeactivateStatus = "deactivated" | "already-inactive" | "not-found" | "failed";
/** What `deactivateUserGrants` yields. */
export type DeactivateOutcome = Outcome<DeactivateStatus>;

/** A grant that is not confirmed, and why. */
export interface Failure {
  readonly grantId: string;
  readonly reason: string;
  readonly answerLost: boolean;
}

/** The counts of a run so far. */
export interface Summary<Status extends string = string> {
  /** Outcomes seen. */
  readonly done: number;
  /** How many outcomes of each status; 0 for a possible status that has not occurred. */
  readonly counts: Readonly<Record<Status, number>>;
  /** How many outcomes, of any status, have `answerLost`. */
  readonly answersLost: number;
  /** The first failures; `counts.failed` is their total number. */
  readonly failures: readonly Failure[];
  readonly elapsedMs: number;
  /** Outcomes a second, over the last ten seconds or so. */
  readonly perSecond: number;
  /** Milliseconds until all are done at this rate; undefined if the total or the rate is unknown. */
  readonly remainingMs: number | undefined;
}

/** What `createSummary` takes. */
export interface SummaryOptions<Status extends string = string> {
  /** The statuses that are counted from 0. Others appear with their first outcome. */
  statuses?: readonly Status[] | undefined;
  /** How many grants the run is for, if known. */
  total?: number | undefined;
  /** How many failures are kept with their reasons; 1000 when not given. */
  keepFailures?: number | undefined;
  /** Milliseconds on a monotonic clock; `performance.now()` when not given. */
  now?: (() => number) | undefined;
}

const count = integer("grants", 0, Number.MAX_SAFE_INTEGER);

const checks: Checks<SummaryOptions> = {
  statuses: listOf("strings", (item) => typeof item === "string"),
  total: count,
  keepFailures: count,
  now: ["a function", isFunction],
};

/** The rate is taken over this many samples, one a second. */
const samples = 10;

/** Counts outcomes while a run is in progress. */
export interface RunningSummary<Status extends string = string> {
  /** Counts an outcome. */
  add: (outcome: Outcome<Status>) => void;
  /** The counts so far. */
  current: () => Summary<Status>;
}

/**
 * Counts outcomes as they come. `add` fits `onOutcome`, and `current()` may be called at any time, for a
 * progress bar as well as for the final report.
 *
 * @param options `total` is needed for `remainingMs`.
 * @returns `add`, which counts an outcome, and `current`, which returns the counts so far.
 * @throws TypeError for an option that is unknown or not allowed.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { createSummary, removeUserGrants } from "zitadel-user-grants/bulk";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * const ids = ["171727382938472938"];
 * const summary = createSummary({ total: ids.length });
 * for await (const { status } of removeUserGrants(client, ids, { onOutcome: summary.add })) {
 *   console.log(status, summary.current().remainingMs);
 * }
 * ```
 */
export function createSummary<Status extends string = string>(
  options: SummaryOptions<Status> = {},
): RunningSummary<Status> {
  const {
    statuses = [],
    total,
    keepFailures = 1000,
    now = platform.monotonicMs,
  } = checkOptions<SummaryOptions<Status>>(options, checks, {
    caller: "createSummary",
  });
  const startedMs = now();
  const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<
    Status,
    number
  >;
  const failures: Failure[] = [];
  let done = 0;
  let answersLost = 0;
  let history = [{ atMs: startedMs, done: 0 }];

  return {
    add(outcome) {
      done += 1;
      counts[outcome.status] = (counts[outcome.status] ?? 0) + 1;
      if (outcome.answerLost) {
        answersLost += 1;
      }
      if (outcome.status === "failed" && failures.length < keepFailures) {
        const { id, message } = describeError(outcome.error);
        failures.push({
          grantId: outcome.grantId,
          reason: id === undefined ? message : `${message} (${id})`,
          answerLost: outcome.answerLost ?? false,
        });
      }
      const atMs = now();
      if (atMs - (history.at(-1)?.atMs ?? startedMs) >= 1000) {
        history = [...history.slice(1 - samples), { atMs, done }];
      }
    },
    current() {
      const nowMs = now();
      const first = history[0] ?? { atMs: startedMs, done: 0 };
      const sinceMs = nowMs - first.atMs;
      const perSecond = sinceMs > 0 ? ((done - first.done) / sinceMs) * 1000 : 0;
      return {
        done,
        counts: { ...counts },
        answersLost,
        failures: [...failures],
        elapsedMs: nowMs - startedMs,
        perSecond,
        remainingMs:
          total === undefined || perSecond === 0
            ? undefined
            : (Math.max(0, total - done) / perSecond) * 1000,
      };
    },
  };
}
