import { Code, ConnectError } from "@connectrpc/connect";
import { createSummary } from "../../bulk/index.js";
import { type Environment, platform } from "../../bulk/internal.js";
import { describeError } from "../../index.js";
import { headOf, introduce, lookupOptions } from "../account.js";
import { connectionFlags, connectionNote } from "../connect.js";
import { explain } from "../explain.js";
import { type Command, type FlagTable, parseFlags } from "../flags.js";
import { lookAtEffect } from "../grants/effect.js";
import { createLookup, type Lookup } from "../grants/lookup.js";
import { type ReadEachOptions, readEach } from "../grants/read.js";
import type { GrantRecord } from "../grants/record.js";
import { exitCode, type Io, line } from "../io.js";
import { LogLock } from "../log/lock.js";
import { connectAs, logPathOf } from "../log/open.js";
import { expectationOf, type FoundState, LogContent } from "../log/read.js";
import { RunLog } from "../log/write.js";
import { rateFlags, readRate } from "../pace.js";
import {
  createProgress,
  createResultLines,
  createStopSwitch,
  duration,
  reasonsOf,
} from "../progress.js";
import { grouped, jsonText, quoted } from "../terminal.js";
import { operatorAdvice } from "./revoke/effect.js";
import { finishRepairs, repair } from "./revoke/repair.js";

const verifyFlags = {
  repair: {
    type: "boolean",
    help: "deactivate again what ZITADEL does not show",
  },
  json: { type: "boolean", help: "what was found as JSON Lines" },
  quiet: { type: "boolean", short: "q", help: "print only what is not as the run reported" },
  ...rateFlags,
} as const satisfies FlagTable;

/** The command `verify`. */
export const verify: Command = {
  name: "verify",
  summary: "check whether the access of a run's grants has ended",
  arguments: "<log>",
  description:
    "Reads what ZITADEL shows of each grant of a log, from which it builds tokens as well: whether it gives roles, and whether that agrees with the run. What does not is read again for ten seconds, and longer as long as it moves. Changes nothing without --repair.",
  examples: ["zitadel-user-grants verify run.jsonl"],
  groups: [
    { title: "What happens", flags: verifyFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, { ...verifyFlags, ...connectionFlags });
    const path = logPathOf("verify", positionals);
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    await LogContent.check(path, "verify");
    const lock = flags.repair ? LogLock.take(path, "verify") : undefined;
    let log: RunLog | undefined;
    try {
      const content = await LogContent.read(path, "verify");
      const { head } = content;
      const identified = await connectAs(head, flags, io);
      const { connection, identity } = identified;
      if (!flags.quiet) {
        const grants = `${grouped(content.grants.length)} of a run to ${head.command}`;
        introduce(connection, identity, { Log: path, Grants: grants }, io);
      }
      const rate = readRate(flags.rate, connection.baseUrl);
      if (lock !== undefined) {
        const as = headOf(head.command, connection, identity);
        log = RunLog.resume(path, lock, content.wholeBytes, as);
      }
      const context = log && { ...identified, content, log, rate, io };
      const pairs = content.grants.filter(({ mayBeActive }) => mayBeActive);
      const isFinished = context === undefined || (await finishRepairs(pairs, context));
      const { json = false, quiet = false } = flags;
      const stopSwitch = createStopSwitch(io);
      const lookup = createLookup(connection, lookupOptions(stopSwitch.signal, rate, io));
      const options = { orgId: identity.orgId, maxPerSecond: rate.maxPerSecond };
      const result = await lookAndReport(
        content,
        lookup,
        { ...options, json, quiet },
        stopSwitch,
        io,
      );
      stopSwitch.end();
      if (typeof result === "number") {
        return result;
      }
      const { active, looked, counts } = result;
      log?.effect({
        looked,
        inEffect: looked - result.contradicting.length,
        others: result.contradicting,
      });
      const open = (counts.undecided ?? 0) + (counts.contradicted ?? 0) + (counts.unverified ?? 0);
      if (context !== undefined && active.length > 0) {
        const isRepaired = await repair(active, looked, context);
        return isRepaired && isFinished && open === active.length
          ? exitCode.done
          : exitCode.incomplete;
      }
      adviseOn(result, content, path, io);
      return open > 0 || !isFinished ? exitCode.incomplete : exitCode.done;
    } finally {
      await log?.close("verified");
      if (log === undefined) {
        lock?.release();
      }
    }
  },
};

/** The result for a grant of a log. */
export interface Finding {
  readonly grantId: string;
  readonly userId?: string;
  readonly shows: "active" | "inactive" | "none" | "unknown";
  readonly expected?: "active" | "inactive" | "none";
  /**
   * - `confirmed`: it is as the run reported.
   * - `not-shown`: the run has deactivated it, and it is not shown: it gives no roles either.
   * - `contradicted`: it is not as the run reported.
   * - `undecided`: the run has no certain outcome for it.
   * - `unverified`: it could not be looked up; `error` has the reason.
   */
  readonly verdict: "confirmed" | "not-shown" | "contradicted" | "undecided" | "unverified";
  readonly error?: { readonly code: number; readonly id?: string; readonly message: string };
}

const verdicts: Readonly<Record<Finding["verdict"], string>> = {
  confirmed: "as reported",
  "not-shown": "deactivated, and not shown",
  contradicted: "NOT as reported",
  undecided: "the run did not decide it",
  unverified: "could not be looked up",
};
const effects: Readonly<Record<Finding["shows"], string>> = {
  active: "gives roles",
  inactive: "gives none: inactive",
  none: "gives none: not shown",
  unknown: "unknown",
};

interface Result {
  readonly looked: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Deactivated grants that give roles. */
  readonly active: readonly GrantRecord[];
  readonly contradicting: readonly { readonly grantId: string; readonly shows: string }[];
}

/** Looks at each grant of a log, and reports what it finds; or the exit code, where it ends early. */
async function lookAndReport(
  content: LogContent,
  lookup: Lookup,
  options: ReadEachOptions & { readonly json: boolean; readonly quiet: boolean },
  stopSwitch: ReturnType<typeof createStopSwitch>,
  io: Io,
): Promise<Result | number> {
  const { json, quiet } = options;
  const count = content.grants.length;
  const progress = createProgress(io.stderr, quiet ? 0 : count);
  const summary = createSummary({ total: count });
  const lines = createResultLines(io);
  const shown = new Map<string, number>();
  const active: GrantRecord[] = [];
  const contradicting: { grantId: string; shows: string }[] = [];
  const onFinding = (finding: Finding, record: GrantRecord | undefined) => {
    const { grantId, verdict, shows, expected } = finding;
    const key = `${verdict} ${shows}`;
    shown.set(key, (shown.get(key) ?? 0) + 1);
    if (verdict === "contradicted") {
      contradicting.push({ grantId, shows });
      if (record?.state === "active" && expected === "inactive") {
        active.push(record);
      }
    }
    summary.add({ grantId, status: verdict });
    progress.update(summary.current());
    if ((quiet || (io.stdout.isTTY && !json)) && verdict === "confirmed") {
      return;
    }
    lines.add(json ? jsonText(finding) : findingLine(finding));
  };
  try {
    await verifyLog(content, lookup, {
      ...options,
      stopped: () => stopSwitch.stopped,
      signal: stopSwitch.stopSignal,
      onFinding,
      onStart: (what, ms) => {
        if (ms > 10_000 && !quiet) {
          line(io.stderr, `Reading ${what}: about ${duration(ms)}.`);
        }
      },
    });
  } catch (error) {
    progress.end();
    if (stopSwitch.interrupted) {
      line(io.stderr, "Stopped.");
      return exitCode.stopped;
    }
    line(io.stderr, `Aborted: ${explain(error, "read")}`);
    return exitCode.aborted;
  }
  progress.end();
  lines.end();
  const { done, counts } = summary.current();
  for (const text of summaryOf(shown, quiet)) {
    line(io.stderr, text);
  }
  if (done < count) {
    line(io.stderr, `Stopped: ${grouped(count - done)} were not looked up.`);
    return exitCode.stopped;
  }
  return { looked: done, counts, active, contradicting };
}

export interface VerifyOptions extends ReadEachOptions {
  readonly stopped: () => boolean;
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
  readonly onFinding: (finding: Finding, record: GrantRecord | undefined) => Promise<void> | void;
}

/** This many grants in a row that cannot be looked up are taken for a lost connection. */
const mostUnknown = 20;

/**
 * Looks at each grant of a log: see `lookAtEffect`.
 *
 * @throws ConnectError when no grant can be looked up: the token, the permission or the organization is
 * wrong, or there is no connection.
 */
export async function verifyLog(
  content: LogContent,
  lookup: Lookup,
  { onFinding, ...options }: VerifyOptions,
  environment: Environment = platform,
): Promise<void> {
  const { command } = content.head;
  const byId = new Map(
    content.grants.map((grant) => {
      const { grantId, state } = expectationOf(grant, command);
      return [grantId, { state, userId: grant.userId }] as const;
    }),
  );
  const known = (grantId: string) => {
    const { userId = "", state } = byId.get(grantId) ?? {};
    const expected = state === "gone" ? ("none" as const) : state;
    return { grantId, ...(userId && { userId }), ...(expected && { expected }) };
  };
  const failures = new Map<string, ConnectError>();
  let failedInARow = 0;
  const onFailure = (grantId: string, error: ConnectError) => {
    failedInARow += 1;
    if (concernsAll(error) || failedInARow >= mostUnknown) {
      throw error;
    }
    failures.set(grantId, error);
  };
  await lookAtEffect([...byId.keys()], {
    read: (ids) => readEach(lookup, ids, { ...options, onFailure }),
    isAwaited: (grantId, record) => !contradicts(byId.get(grantId)?.state, record),
    async onShown(grantId, record) {
      failedInARow = 0;
      if (record?.state === "unknown") {
        const error = new ConnectError("its state is unknown to this version", Code.Internal);
        failures.set(grantId, error);
        return;
      }
      const state = byId.get(grantId)?.state;
      const verdict =
        state === undefined
          ? "undecided"
          : contradicts(state, record)
            ? "contradicted"
            : state === "inactive" && record === undefined
              ? "not-shown"
              : "confirmed";
      await onFinding({ ...known(grantId), shows: record?.state ?? "none", verdict }, record);
    },
    signal: options.signal,
    environment,
  });
  for (const [grantId, error] of failures) {
    const { code, id, message } = describeError(error);
    const described = { code, ...(id === undefined ? {} : { id }), message };
    const finding = { ...known(grantId), shows: "unknown", verdict: "unverified" } as const;
    await onFinding({ ...finding, error: described }, undefined);
  }
}

/** What is not shown gives no roles, so it does not contradict a deactivation. */
function contradicts(expected: FoundState | undefined, record: GrantRecord | undefined): boolean {
  switch (expected) {
    case undefined:
      return false;
    case "gone":
      return record !== undefined;
    case "inactive":
      return record?.state === "active";
    case "active":
      return record?.state !== "active";
  }
}

/** Whether every lookup will fail like this. */
function concernsAll(error: ConnectError): boolean {
  const codes: readonly Code[] = [
    ...[Code.Unauthenticated, Code.PermissionDenied, Code.NotFound],
    ...[Code.Unimplemented, Code.Canceled],
  ];
  return codes.includes(error.code);
}

/** Columns between tabs. */
function findingLine({ grantId, shows, verdict, expected, error }: Finding): string {
  const said = verdict === "contradicted" && expected ? ` (expected: ${effects[expected]})` : "";
  return [grantId, effects[shows], `${verdicts[verdict]}${said}`, ...reasonsOf(error)].join("\t");
}

function summaryOf(counts: ReadonlyMap<string, number>, quiet: boolean): string[] {
  return Object.entries(verdicts).flatMap(([verdict, text]) => {
    const shown = Object.entries(effects).flatMap(([shows, effect]) => {
      const count = counts.get(`${verdict} ${shows}`) ?? 0;
      return count === 0 ? [] : [`${grouped(count)} ${text} (${effect})`];
    });
    return quiet && verdict === "confirmed" ? [] : shown;
  });
}

/** What to do about what is not as reported; and what "not shown" means where the run has not found it either. */
function adviseOn(
  { active, contradicting }: Result,
  { grants, head }: LogContent,
  path: string,
  io: Io,
): void {
  const tool = `zitadel-user-grants verify --repair ${quoted(path)}`;
  const pairs = grants.filter(({ mayBeActive }) => mayBeActive);
  for (const { grantId } of pairs) {
    line(io.stderr, `A repair of ${grantId} was interrupted: it may be active. Finish it: ${tool}`);
  }
  if (active.length > 0) {
    line(
      io.stderr,
      `ZITADEL has confirmed these deactivations, and does not show them. Repair, which gives access back for a moment: ${tool}`,
    );
  } else if (contradicting.length > 0) {
    line(io.stderr, operatorAdvice(head.command === "remove" ? "this" : "a restored grant"));
  }
  const missing = grants.filter(
    ({ status, details }) => status === "not-found" && !details?.answerLost,
  ).length;
  if (missing > 0) {
    line(
      io.stderr,
      `${missing} ${missing === 1 ? "was" : "were"} not found by the run: gone before, never there, or of another organization, which looks the same from here.`,
    );
  }
}
