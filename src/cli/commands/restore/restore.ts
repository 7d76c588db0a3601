import { ConnectError } from "@connectrpc/connect";
import { createSummary } from "../../../bulk/index.js";
import { platform } from "../../../bulk/internal.js";
import { close } from "../../../index.js";
import { introduce } from "../../account.js";
import { type Connection, connectionFlags, connectionNote } from "../../connect.js";
import { explain } from "../../explain.js";
import { type Command, type FlagTable, parseFlags, wholeNumber } from "../../flags.js";
import { createLookup } from "../../grants/lookup.js";
import { exitCode, type Io, line } from "../../io.js";
import type { RestoreOutcome } from "../../log/entry.js";
import { LogLock } from "../../log/lock.js";
import { connectAs, logPathOf } from "../../log/open.js";
import { LogContent } from "../../log/read.js";
import { LogFailure, RunLog } from "../../log/write.js";
import { inParallel, lookupTurns, rateFlags, rateShown, readRate } from "../../pace.js";
import {
  checkCanAsk,
  counted,
  createProgress,
  createResultLines,
  createStopSwitch,
  grouped,
  jsonText,
  mayGoAhead,
  quoted,
  reasonsOf,
} from "../../terminal.js";
import { restoreGrant } from "./grant.js";
import { type RestorePlan, type RestoreTask, restorePlan } from "./plan.js";
import { Patience } from "./step.js";

const restoreFlags = {
  "dry-run": { type: "boolean", help: "show what would be done, and do nothing" },
  yes: {
    type: "boolean",
    short: "y",
    help: "do not ask; required if there is no terminal to ask on",
  },
  concurrency: { type: "string", value: "<n>", help: "grants at a time (1)" },
  ...rateFlags,
  json: { type: "boolean", help: "outcomes as JSON Lines" },
} as const satisfies FlagTable;

/** The command `restore`. */
export const restore: Command = {
  name: "restore",
  summary: "restore grants that a run has removed or deactivated",
  arguments: "<log>",
  description:
    "Brings grants back to the state that was recorded before the run, and changes nothing else. Removed grants are added again, with new ids; those that were inactive are deactivated again at once. Of deactivated grants, those that were active are reactivated. Grants without a recorded state are skipped, and named. Each step is recorded in the same log, so a stopped restore continues where it was.",
  examples: ["zitadel-user-grants restore run.jsonl"],
  groups: [
    { title: "What happens", flags: restoreFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, {
      ...restoreFlags,
      ...connectionFlags,
    });
    const path = logPathOf("restore", positionals);
    const concurrency = wholeNumber("concurrency", flags.concurrency, 100) ?? 1;
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    await LogContent.readHead(path, "restore");
    // A dry run only reads.
    const lock = flags["dry-run"] ? undefined : LogLock.take(path, "restore");
    let log: RunLog | undefined;
    try {
      const content = await LogContent.read(path, "restore");
      if (!flags["dry-run"]) {
        checkCanAsk(flags.yes, flags["token-file"] === "-", io);
      }
      const connected = await connectAs(
        content.head,
        flags,
        io,
        flags["dry-run"] ? "read" : "change",
      );
      if (connected === undefined) {
        return exitCode.aborted;
      }
      const { connection, identity } = connected;
      const plan = await restorePlan(content);
      const rate = readRate(flags.rate, connection.baseUrl);
      introduce(
        connection,
        identity,
        { Log: path, Grants: planLine(plan), ...rateShown(rate) },
        io,
      );
      showSkipped(plan, io);
      const writer = lock === undefined ? LogLock.holderOf(path) : undefined;
      if (writer !== undefined) {
        line(io.stderr, `This may change: another run is writing ${path} (${writer}).`);
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
      const json = flags.json ?? false;
      const settings = { concurrency, json, turn: lookupTurns(rate) };
      return await runRestore(content, plan, connection, log, settings, io);
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

export interface RestoreSettings {
  readonly concurrency: number;
  readonly json: boolean;
  /** Awaited before each request. */
  readonly turn?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/** Restores the grants of the plan, shows progress, and returns the exit code. */
export async function runRestore(
  content: LogContent,
  plan: RestorePlan,
  connection: Connection,
  log: RunLog,
  { concurrency, json, turn }: RestoreSettings,
  io: Io,
): Promise<number> {
  const { count, tasks } = plan;
  const stopSwitch = createStopSwitch(io);
  const summary = createSummary({ total: count });
  const progress = createProgress(io.stderr, count);
  const client = connection.createClient();
  const context = {
    ...{ client, log, environment: platform, turn },
    lookup: createLookup(connection, { signal: stopSwitch.signal, turn }),
    patience: new Patience(platform),
    stopped: () => stopSwitch.stopped || thrown !== undefined,
    signal: stopSwitch.signal,
  };
  const lines = createResultLines(io);
  let lostInARow = 0;
  let thrown: unknown;
  const add = (outcome: RestoreOutcome) => {
    log.restored(outcome);
    summary.add({ grantId: outcome.grantId, status: outcome.restored });
    progress.update(summary.current());
    lines.add(json ? jsonText(outcome) : outcomeLine(outcome));
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
      const { outcome, ends } = await restoreGrant(task, context);
      if (outcome !== undefined) {
        add(outcome);
      }
      const failure = ends ?? log.failure ?? lostConnection(outcome);
      if (failure !== undefined) {
        thrown ??= failure;
        throw failure;
      }
    });
  } catch (error) {
    thrown ??= error;
  }
  progress.end();
  close(client);
  lines.end();
  try {
    await log.close(
      stopSwitch.interrupted ? "interrupted" : thrown === undefined ? "finished" : String(thrown),
    );
  } catch (error) {
    thrown ??= error;
  }
  stopSwitch.end();
  const { counts, done } = summary.current();
  const left = count - done;
  line(
    io.stderr,
    `${[
      `${(counts.restored ?? 0) + (counts.reactivated ?? 0)} restored`,
      `${counts["already-there"] ?? 0} were there already`,
      `${counts.failed ?? 0} failed`,
      ...(counts["left-active"] ? [`${counts["left-active"]} LEFT ACTIVE that were inactive`] : []),
      ...(left > 0 ? [`${left} left to do`] : []),
    ].join(", ")}.`,
  );
  const again = `Continue with: zitadel-user-grants restore ${quoted(content.path)}`;
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
  const open = (counts.failed ?? 0) + (counts["left-active"] ?? 0) + plan.lost.length;
  return open > 0 ? exitCode.incomplete : exitCode.done;
}

/** Columns between tabs. */
function outcomeLine(outcome: RestoreOutcome): string {
  const { grantId, restored, newGrantId, state, error, answerLost } = outcome;
  const what = [restored, ...(newGrantId === undefined ? [] : [`as ${newGrantId}`])].join(" ");
  return [grantId, what, state ?? "", ...reasonsOf(error), ...(answerLost ? ["response lost"] : [])]
    .join("\t")
    .trimEnd();
}
