import { Code, ConnectError } from "@connectrpc/connect";
import { createSummary, type Summary } from "../bulk/index.js";
import { type Environment, platform, sleep } from "../common/environment.js";
import { describeError } from "../errors/describe.js";
import { inParallel } from "./in-parallel.js";
import type { LogContent } from "./log/content.js";
import { expectationOf, type FoundState } from "./log/expected.js";
import type { Lookup } from "./lookup.js";
import { type SearchedStates, searchStates } from "./search-states.js";

/** How long a contradiction is read again: ZITADEL's read model is eventually consistent. */
const lagMs = 10_000;
const firstPauseMs = 250;
/** This many grants in a row that cannot be looked up are taken for a lost connection. */
const mostUnknown = 20;

/** The result for a grant of a log. */
export interface Finding {
  readonly grantId: string;
  readonly userId?: string;
  readonly found: FoundState | "unknown";
  readonly expected?: FoundState;
  /**
   * - `confirmed`: its state is the one that the run reported.
   * - `contradicted`: it is not.
   * - `undecided`: the run has no certain outcome for it.
   * - `unverified`: it could not be looked up; `error` has the reason.
   */
  readonly verdict: "confirmed" | "contradicted" | "undecided" | "unverified";
  readonly error?: { readonly code: number; readonly id?: string; readonly message: string };
}

export interface VerifyOptions {
  readonly concurrency: number;
  readonly stopped: () => boolean;
  readonly onFinding: (finding: Finding) => Promise<void> | void;
  readonly onProgress: (summary: Summary) => void;
  /** Is called before all grants of the organization are read, which may take minutes. */
  readonly onSearch: (total: number) => void;
}

/**
 * Reads each grant of a log again: a few by single lookups, many by a search. What a search contradicts is
 * looked up all the same.
 *
 * @throws ConnectError when no grant can be looked up: the token, the permission or the organization is
 * wrong, or there is no connection.
 */
export async function verifyLog(
  content: LogContent,
  lookup: Lookup,
  { concurrency, stopped, onFinding, onProgress, onSearch }: VerifyOptions,
  environment: Environment = platform,
): Promise<Summary> {
  let searched: SearchedStates | undefined;
  try {
    searched = await searchStates(lookup, content, { stopped, onSearch });
  } catch (reason) {
    // Single lookups may still tell.
    if (concernsAll(ConnectError.from(reason))) {
      throw reason;
    }
  }
  // The time of the search is not the time of lookups.
  const summary = createSummary({
    total: content.grants.size,
    now: () => environment.monotonicMs(),
  });
  let unknownInARow = 0;
  const read = async (index: number): Promise<Finding> => {
    const userId = content.grants.userId(index);
    const { grantId, state: expected } = expectationOf(content, index);
    const known = {
      grantId,
      ...(userId === "" ? {} : { userId }),
      ...(expected === undefined ? {} : { expected }),
    };
    const judged = (found: FoundState): Finding => {
      const verdict =
        expected === undefined ? "undecided" : expected === found ? "confirmed" : "contradicted";
      return { ...known, found, verdict };
    };
    const shown = searched?.(index);
    if (searched !== undefined && index % 1000 === 0) {
      // What needs no lookup would keep the process from hearing Ctrl-C.
      await sleep(environment, 0);
    }
    if (shown !== undefined && (expected === undefined || expected === shown)) {
      return judged(shown);
    }
    try {
      // ZITADEL does not compare the user, so any id will do if it is unknown.
      const record = await lookup.getGrant(userId === "" ? grantId : userId, grantId);
      const state = record?.state ?? "gone";
      if (state === "unknown") {
        throw new ConnectError("its state is one that this version does not know", Code.Internal);
      }
      unknownInARow = 0;
      return judged(state);
    } catch (reason) {
      const error = ConnectError.from(reason);
      unknownInARow += 1;
      if (concernsAll(error) || unknownInARow >= mostUnknown) {
        throw error;
      }
      const { code, id, message } = describeError(error);
      const described = { code, ...(id === undefined ? {} : { id }), message };
      return { ...known, found: "unknown", verdict: "unverified", error: described };
    }
  };
  const settle = async (finding: Finding) => {
    summary.add({ grantId: finding.grantId, status: finding.verdict });
    onProgress(summary.current());
    await onFinding(finding);
  };

  function* all() {
    for (let index = 0; index < content.grants.size && !stopped(); index++) {
      yield index;
    }
  }
  let contradicted: number[] = [];
  const readAll = async (indexes: Iterable<number>, isLast: () => boolean) => {
    const again: number[] = [];
    await inParallel(indexes, concurrency, async (index) => {
      const finding = await read(index);
      if (finding.verdict === "contradicted" && !isLast()) {
        again.push(index);
      } else {
        await settle(finding);
      }
    });
    contradicted = again;
  };
  await readAll(all(), () => false);
  const deadlineMs = environment.monotonicMs() + lagMs;
  for (let pauseMs = firstPauseMs; contradicted.length > 0 && !stopped(); pauseMs *= 2) {
    const leftMs = deadlineMs - environment.monotonicMs();
    await sleep(environment, Math.max(0, Math.min(pauseMs, leftMs)));
    const isLast = environment.monotonicMs() >= deadlineMs;
    await readAll(contradicted, () => isLast || stopped());
  }
  return summary.current();
}

/** Whether every lookup will fail like this. */
function concernsAll(error: ConnectError): boolean {
  return (
    error.code === Code.Unauthenticated ||
    error.code === Code.PermissionDenied ||
    error.code === Code.NotFound ||
    error.code === Code.Unimplemented ||
    error.code === Code.Canceled
  );
}
