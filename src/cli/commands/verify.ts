import { Code, ConnectError } from "@connectrpc/connect";
import { createSummary, type Summary } from "../../bulk/index.js";
import { type Environment, platform, sleep } from "../../common/environment.js";
import { describeError } from "../../errors/describe.js";
import { connectionFlags, connectionNote } from "../connect.js";
import { explain } from "../explain.js";
import { type Command, type FlagTable, parseFlags, wholeNumber } from "../flags.js";
import { createLookup, type Lookup } from "../grants/lookup.js";
import { searchAllGrants } from "../grants/select.js";
import { exitCode, line } from "../io.js";
import { connectToLog, logPathOf } from "../log/open.js";
import { expectationOf, type FoundState, type GrantInLog, type LogContent } from "../log/read.js";
import { inParallel, lookupTurns, rateFlags, readRate } from "../pace.js";
import {
  counted,
  createProgress,
  createResultLines,
  createStopSwitch,
  reasonsOf,
} from "../terminal.js";

const verifyFlags = {
  concurrency: { type: "string", value: "<n>", help: "requests at a time (8)" },
  ...rateFlags,
  json: { type: "boolean", help: "what was found as JSON Lines" },
} as const satisfies FlagTable;

/** The command `verify`. */
export const verify: Command = {
  name: "verify",
  summary: "check that grants have the state that the log of a run reports",
  arguments: "<log>",
  description:
    "Reads each grant of a log again, and reports whether it is gone, inactive or active, and whether that agrees with the run. Changes nothing. A long log is compared with a search through the whole organization, if that is faster and the account may read all grants; grants that do not agree are looked up. A contradiction is read again for up to 10 seconds, since ZITADEL's searches lag behind changes.",
  examples: ["zitadel-user-grants verify run.jsonl"],
  groups: [
    { title: "What happens", flags: verifyFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, { ...verifyFlags, ...connectionFlags });
    const path = logPathOf("verify", positionals);
    const concurrency = wholeNumber("concurrency", flags.concurrency, 1000) ?? 8;
    const opened = await connectToLog(path, "verify", flags, io);
    if (opened === undefined) {
      return exitCode.aborted;
    }
    const { content, connection } = opened;
    const stopSwitch = createStopSwitch(io);
    const progress = createProgress(io.stderr, content.grants.length);
    const lines = createResultLines(io);
    const counts = new Map<string, number>();
    try {
      const { done, counts: verdicts } = await verifyLog(
        content,
        createLookup(connection, {
          signal: stopSwitch.signal,
          turn: lookupTurns(readRate(flags.rate, connection.baseUrl)),
        }),
        {
          concurrency,
          stopped: () => stopSwitch.stopped,
          onProgress: progress.update,
          onSearch: (total) =>
            line(
              io.stderr,
              `Reading all ${counted(total, "grant")} of the organization: quicker than to look up each of the run.`,
            ),
          async onFinding(finding) {
            const key = `${finding.verdict} ${finding.found}`;
            counts.set(key, (counts.get(key) ?? 0) + 1);
            if (io.stdout.isTTY && !flags.json && finding.verdict === "confirmed") {
              return;
            }
            lines.add(flags.json ? JSON.stringify(finding) : findingLine(finding));
            const taken = lines.taken();
            if (taken !== undefined) {
              // Findings come faster than a reader takes them.
              await Promise.race([taken, stopSwitch.whenStopped]);
            }
          },
        },
      );
      progress.end();
      lines.end();
      for (const text of [...summaryOf(counts), ...notFoundNote(content)]) {
        line(io.stderr, text);
      }
      if (done < content.grants.length) {
        line(io.stderr, `Stopped: ${content.grants.length - done} were not looked up.`);
        return exitCode.stopped;
      }
      return (verdicts.contradicted ?? 0) + (verdicts.unverified ?? 0) > 0
        ? exitCode.incomplete
        : exitCode.done;
    } catch (error) {
      progress.end();
      line(io.stderr, `Aborted: ${explain(error)}`);
      return stopSwitch.interrupted ? exitCode.stopped : exitCode.aborted;
    } finally {
      stopSwitch.end();
    }
  },
};

const verdicts: Readonly<Record<Finding["verdict"], string>> = {
  confirmed: "as reported",
  contradicted: "NOT as reported",
  undecided: "the run did not decide it",
  unverified: "could not be looked up",
};

/** Columns between tabs. */
function findingLine({ grantId, found, verdict, expected, error }: Finding): string {
  const said = verdict === "contradicted" ? ` (${expected})` : "";
  return [grantId, found, `${verdicts[verdict]}${said}`, ...reasonsOf(error)].join("\t");
}

/** What "gone" means for grants that the run did not find either, and cannot have removed. */
function notFoundNote({ grants }: LogContent): string[] {
  const count = grants.filter(
    ({ status, details }) => status === "not-found" && !details?.answerLost,
  ).length;
  return count === 0
    ? []
    : [
        `${count} ${count === 1 ? "was" : "were"} not found by the run: gone before, never there, or of another organization, which looks the same from here.`,
      ];
}

function summaryOf(counts: ReadonlyMap<string, number>): string[] {
  return Object.entries(verdicts).flatMap(([verdict, text]) => {
    const found = (["gone", "inactive", "active", "unknown"] as const)
      .map((state) => [counts.get(`${verdict} ${state}`) ?? 0, state] as const)
      .filter(([count]) => count > 0);
    const total = found.reduce((sum, [count]) => sum + count, 0);
    return total === 0
      ? []
      : [
          `${total} ${text}${verdict === "unverified" ? "" : `: ${found.map(([count, state]) => `${count} ${state}`).join(", ")}`}`,
        ];
  });
}

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
    total: content.grants.length,
    now: () => environment.monotonicMs(),
  });
  let unknownInARow = 0;
  let read1000 = 0;
  const read = async (grant: GrantInLog): Promise<Finding> => {
    const { userId } = grant;
    const { grantId, state: expected } = expectationOf(grant, content.head.command);
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
    const shown = searched?.(grantId);
    read1000 += 1;
    if (searched !== undefined && read1000 % 1000 === 0) {
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
    for (const grant of content.grants) {
      if (stopped()) {
        return;
      }
      yield grant;
    }
  }
  let contradicted: GrantInLog[] = [];
  const readAll = async (grants: Iterable<GrantInLog>, isLast: () => boolean) => {
    const again: GrantInLog[] = [];
    await inParallel(grants, concurrency, async (grant) => {
      const finding = await read(grant);
      if (finding.verdict === "contradicted" && !isLast()) {
        again.push(grant);
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

const pageSize = 1000;
/** A page takes the server about as long as so many single lookups, some at a time. */
const lookupsPerPage = 10;

/** What a search has found each grant of a log to be; undefined where it does not tell. */
export type SearchedStates = (grantId: string) => FoundState | undefined;

export interface SearchStatesOptions {
  readonly stopped: () => boolean;
  /** Is called before the search, if there is one. @param total how many grants it will read */
  readonly onSearch: (total: number) => void;
}

/**
 * Reads all grants of the organization, where that is quicker than to look up each grant of the log. The
 * search has no conditions, so that what it does not show is not there, whatever the log says about it. An
 * account that may read the grants of some projects only is not relied on to be shown the others.
 *
 * @returns undefined when single lookups are quicker, or `stopped`, or when grants might be hidden.
 * @throws ConnectError when the search fails.
 */
export async function searchStates(
  lookup: Lookup,
  content: LogContent,
  { stopped, onSearch }: SearchStatesOptions,
): Promise<SearchedStates | undefined> {
  const size = content.grants.length;
  if (size < pageSize) {
    return undefined;
  }
  const { total } = await lookup.searchGrants([], { offset: 0, limit: 1 });
  if ((total / pageSize) * lookupsPerPage > size) {
    return undefined;
  }
  // Where that cannot be seen, single lookups are certain.
  if (!(await lookup.mayReadAllGrants().catch(() => false))) {
    return undefined;
  }
  onSearch(total);
  const wanted = new Set(
    content.grants.map((grant) => expectationOf(grant, content.head.command).grantId),
  );
  const found = new Map<string, FoundState | undefined>();
  const search = searchAllGrants(lookup, [], { pageSize });
  for (;;) {
    const { done, value } = await search.next();
    if (done) {
      // From a list that kept changing a grant may be missing that is there.
      const missing = value.unstable ? undefined : "gone";
      return (grantId) => (found.has(grantId) ? found.get(grantId) : missing);
    }
    if (stopped()) {
      await search.return({ total, unstable: true });
      return undefined;
    }
    if (wanted.has(value.grantId)) {
      found.set(value.grantId, value.state === "unknown" ? undefined : value.state);
    }
  }
}
