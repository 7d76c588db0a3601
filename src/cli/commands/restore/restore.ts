import { ConnectError } from "@connectrpc/connect";
import { createSummary } from "../../../bulk/index.js";
import { platform } from "../../../bulk/internal.js";
import { close } from "../../../index.js";
import { type Identified, introduce } from "../../account.js";
import { connectionFlags, connectionNote } from "../../connect.js";
import { explain } from "../../explain.js";
import { type Command, type FlagTable, parseFlags, wholeNumber } from "../../flags.js";
import { type Viewer, viewEffect } from "../../grants/effect.js";
import { createLookup } from "../../grants/lookup.js";
import { exitCode, type Io, line, UsageError } from "../../io.js";
import type { RestoreOutcome } from "../../log/entry.js";
import { LogFailure } from "../../log/file.js";
import { LogLock } from "../../log/lock.js";
import { connectAs, logPathOf } from "../../log/open.js";
import { LogContent } from "../../log/read.js";
import { RunLog } from "../../log/write.js";
import { inParallel, lookupTurns, type Rate, rateFlags, rateShown, readRate } from "../../pace.js";
import { createProgress, createResultLines, createStopSwitch, reasonsOf } from "../../progress.js";
import {
  checkCanAsk,
  counted,
  grouped,
  jsonText,
  mayGoAhead,
  paint,
  printable,
  quoted,
} from "../../terminal.js";
import { restoreGrant } from "./grant.js";
import { type RestorePlan, type RestoreTask, restorePlan } from "./plan.js";
import { type RestoreContext, Trouble } from "./step.js";

const restoreFlags = {
  "dry-run": { type: "boolean", help: "show what would be done, and do nothing" },
  yes: { type: "boolean", short: "y", help: "do not ask; required without a terminal" },
  "no-check": { type: "boolean", help: "do not look afterwards whether ZITADEL shows them" },
  concurrency: { type: "string", value: "<n>", help: "grants at a time (1)" },
  ...rateFlags,
  json: { type: "boolean", help: "outcomes as JSON Lines" },
  quiet: { type: "boolean", short: "q", help: "say only what goes wrong; needs --yes" },
} as const satisfies FlagTable;

/** The command `restore`. */
export const restore: Command = {
  name: "restore",
  summary: "restore grants that a run has removed or deactivated",
  arguments: "<log>",
  description:
    "Brings grants back to the state that was recorded before the run, and changes nothing else. Removed grants are added again, with new ids; those that were inactive are deactivated again at once. Of deactivated grants, those that were active are reactivated. Grants without a recorded state are skipped, and named. Each step is recorded in the same log, so a stopped restore continues where it was. Then it looks whether ZITADEL shows them.",
  examples: ["zitadel-user-grants restore run.jsonl"],
  groups: [
    { title: "What happens", flags: restoreFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  notes: "Adding grants needs the permission user.grant.write.",
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, {
      ...restoreFlags,
      ...connectionFlags,
    });
    const path = logPathOf("restore", positionals);
    if (flags.quiet && !flags.yes) {
      throw new UsageError("--quiet needs --yes: it would hide what the question is about.");
    }
    const concurrency = wholeNumber("concurrency", flags.concurrency, 100) ?? 1;
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    await LogContent.check(path, "restore");
    // A dry run only reads.
    const isDry = flags["dry-run"] ?? false;
    const lock = isDry ? undefined : LogLock.take(path, "restore");
    let log: RunLog | undefined;
    try {
      const content = await LogContent.read(path, "restore");
      if (!isDry) {
        checkCanAsk(flags.yes, flags["token-file"] === "-", io);
      }
      const connected = await connectAs(content.head, flags, io);
      const { connection, identity } = connected;
      const plan = await restorePlan(content);
      const rate = readRate(flags.rate, connection.baseUrl);
      if (!flags.quiet) {
        plan.overview.show("restore", io);
        const grants = planLine(plan);
        introduce(connection, identity, { Log: path, Grants: grants, ...rateShown(rate) }, io);
        showSkipped(plan, io);
      }
      if (lock === undefined || plan.count === 0) {
        line(io.stderr, "Nothing was done.");
        return plan.lost.length > 0 ? exitCode.incomplete : exitCode.done;
      }
      if (!flags.yes && !(await mayGoAhead("restore", plan.count, io))) {
        line(io.stderr, "Nothing was done.");
        return exitCode.stopped;
      }
      log = RunLog.restore(path, lock, content.wholeBytes, identity);
      const { json = false, quiet = false } = flags;
      const settings = { concurrency, json, quiet, rate, check: !flags["no-check"] };
      return await runRestore(plan, connected, log, settings, io);
    } finally {
      if (log === undefined) {
        lock?.release();
      }
    }
  },
};

function planLine({ count, added }: RestorePlan): string {
  const inactive = added.inactive > 0 ? ` (${grouped(added.inactive)} of them inactive)` : "";
  const parts = [
    ...(added.count > 0
      ? [`${grouped(added.count)} to add again${inactive}, of ${counted(added.users, "user")}`]
      : []),
    ...(count > added.count ? [`${grouped(count - added.count)} to reactivate`] : []),
  ];
  return parts.length > 0 ? parts.join("; ") : "none to restore";
}

/** How many grants that cannot be restored are named. */
const mostNamed = 10;

function showSkipped({ skipped, lost }: RestorePlan, io: Io): void {
  for (const [reason, count] of skipped) {
    line(io.stderr, `Skipped       ${count}: ${reason}`);
  }
  for (const grantId of lost.slice(0, mostNamed)) {
    line(io.stderr, `              ${grantId} cannot be restored`);
  }
  if (lost.length > mostNamed) {
    line(io.stderr, `              and ${lost.length - mostNamed} more`);
  }
}

/** This many grants in a row that fail without a response are taken for a lost connection. */
const mostLost = 20;

interface RestoreSettings {
  readonly concurrency: number;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly rate: Rate;
  /** Whether to look what ZITADEL shows afterwards. */
  readonly check: boolean;
}

/** What must be shown of a grant after the restore. */
interface Awaited {
  readonly grantId: string;
  readonly state: "active" | "inactive";
}

/** Restores the grants of the plan, shows progress, and returns the exit code. */
async function runRestore(
  plan: RestorePlan,
  { connection, identity }: Identified,
  log: RunLog,
  { concurrency, json, quiet, rate, check }: RestoreSettings,
  io: Io,
): Promise<number> {
  const { count, tasks } = plan;
  const pairs = new Set<string>();
  const stopSwitch = createStopSwitch(io, {
    left: () =>
      pairs.size === 0
        ? undefined
        : `${[...pairs].join(", ")} was inactive before the run, and may be active now.`,
  });
  const summary = createSummary({ total: count });
  const progress = createProgress(io.stderr, quiet ? 0 : count);
  const client = connection.createClient();
  const turn = lookupTurns(rate);
  const lookup = createLookup(connection, { signal: stopSwitch.stopSignal, turn });
  const context: Omit<RestoreContext, "onPair"> = {
    ...{ client, log, lookup, environment: platform, stopSwitch, turn },
    writer: createLookup(connection, { signal: stopSwitch.signal }),
    trouble: new Trouble(),
  };
  const lines = createResultLines(io);
  const awaited: Awaited[] = [];
  let lostInARow = 0;
  let thrown: unknown;
  const add = (outcome: RestoreOutcome) => {
    const { grantId, restored, newGrantId, state } = outcome;
    log.restored(outcome);
    if (state !== undefined && restored !== "left-active") {
      awaited.push({ grantId: newGrantId ?? grantId, state });
    }
    summary.add({ grantId, status: restored });
    progress.update(summary.current());
    // On a terminal, what is as it was needs no line.
    if (json || !io.stdout.isTTY || restored === "failed" || restored === "left-active") {
      lines.add(json ? jsonText(outcome) : outcomeLine(outcome));
    }
  };
  const lostConnection = (outcome: RestoreOutcome | undefined): ConnectError | undefined => {
    lostInARow = outcome?.answerLost ? lostInARow + 1 : 0;
    return lostInARow >= mostLost
      ? new ConnectError(outcome?.error?.message ?? "no response", outcome?.error?.code)
      : undefined;
  };
  async function* untilStopped() {
    for await (const task of tasks()) {
      if (stopSwitch.stopped) {
        return;
      }
      yield task;
    }
  }
  try {
    await inParallel(untilStopped(), concurrency, async (task: RestoreTask) => {
      let pair = "";
      const onPair = (newGrantId: string | undefined) => {
        pairs.delete(pair);
        pair = newGrantId ?? "";
        if (newGrantId !== undefined) {
          pairs.add(newGrantId);
        }
      };
      const { outcome, ends } = await restoreGrant(task, { ...context, onPair });
      if (outcome !== undefined) {
        add(outcome);
      }
      const failure = ends ?? log.failure ?? lostConnection(outcome);
      if (failure !== undefined) {
        thrown ??= failure;
        stopSwitch.stop();
        throw failure;
      }
    });
  } catch (error) {
    thrown ??= error;
  }
  progress.end();
  close(client);
  lines.end();
  const stoppedEarly = stopSwitch.interrupted || thrown !== undefined;
  try {
    await log.close(
      stopSwitch.interrupted ? "interrupted" : thrown === undefined ? "finished" : String(thrown),
    );
  } catch (error) {
    thrown ??= error;
  }
  const { counts, done } = summary.current();
  const left = count - done;
  const leftActive = counts["left-active"] ?? 0;
  if (!quiet || stoppedEarly || counts.failed || leftActive > 0) {
    const parts = [
      `${(counts.restored ?? 0) + (counts.reactivated ?? 0)} restored`,
      `${counts["already-there"] ?? 0} were there already`,
      `${counts.failed ?? 0} failed`,
      ...(leftActive > 0
        ? [paint(io.stderr, "danger", `${leftActive} LEFT ACTIVE that were inactive`)]
        : []),
      ...(left > 0 ? [`${left} left to do`] : []),
    ];
    line(io.stderr, `${parts.join(", ")}.`);
  }
  try {
    const again = `Continue with: zitadel-user-grants restore ${quoted(log.path)}`;
    if (thrown instanceof LogFailure) {
      line(io.stderr, `The restore was stopped: ${thrown.message}. Nothing was sent after that.`);
      return exitCode.stopped;
    }
    if (stopSwitch.interrupted) {
      line(io.stderr, `Stopped. ${again}`);
      return exitCode.stopped;
    }
    if (thrown !== undefined) {
      if (!(thrown instanceof ConnectError)) {
        throw thrown;
      }
      line(io.stderr, `The restore was aborted: ${explain(thrown)} ${again}`);
      return exitCode.aborted;
    }
    const open = (counts.failed ?? 0) + leftActive + plan.lost.length;
    const isShown =
      !check || (await allShown(awaited, { lookup, identity, rate, stopSwitch, quiet, io }));
    return open > 0 || !isShown ? exitCode.incomplete : exitCode.done;
  } finally {
    stopSwitch.end();
  }
}

/** Looks whether ZITADEL shows what was restored: tokens are made from that. Lists what it does not show. */
async function allShown(awaited: readonly Awaited[], viewer: Viewer): Promise<boolean> {
  const { io, quiet } = viewer;
  const states = new Map(awaited.map(({ grantId, state }) => [grantId, state]));
  const others: string[] = [];
  const looked = await viewEffect(
    [...states.keys()],
    {
      isAwaited: (grantId, record) => record?.state === states.get(grantId),
      onShown(grantId, record) {
        const state = states.get(grantId);
        if (record?.state !== state) {
          others.push(
            `${grantId} is ${record?.state ?? "not shown"}, and was restored as ${state}`,
          );
        }
      },
    },
    viewer,
  );
  if (looked === undefined) {
    return false;
  }
  for (const text of others.slice(0, mostNamed)) {
    line(io.stderr, printable(text));
  }
  if (others.length > mostNamed) {
    line(io.stderr, `and ${grouped(others.length - mostNamed)} more`);
  }
  if (others.length > 0) {
    line(
      io.stderr,
      `${grouped(others.length)} of ${counted(looked, "restored grant")} are confirmed by the server and not shown so: releases of ZITADEL before the fix of September 2026 can lose an event for ever. Tokens have what is shown. A client cannot repair it; the operator can: update ZITADEL, and rebuild the projection of user grants.`,
    );
  } else if (looked < states.size) {
    line(io.stderr, `Stopped: only ${grouped(looked)} of ${grouped(states.size)} were looked at.`);
  } else if (!quiet && looked > 0) {
    line(io.stderr, `ZITADEL shows ${counted(looked, "restored grant")}.`);
  }
  return others.length === 0 && looked === states.size;
}

/** Columns between tabs. */
function outcomeLine(outcome: RestoreOutcome): string {
  const { grantId, restored, newGrantId, state, error, answerLost } = outcome;
  const what = [restored, ...(newGrantId === undefined ? [] : [`as ${newGrantId}`])].join(" ");
  return [grantId, what, state ?? "", ...reasonsOf(error), ...(answerLost ? ["response lost"] : [])]
    .join("\t")
    .trimEnd();
}
