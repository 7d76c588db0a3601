import { ConnectError } from "@connectrpc/connect";
import { createSummary } from "../../bulk/index.js";
import { close } from "../../client/close.js";
import { platform } from "../../common/environment.js";
import type { Connection } from "../connection.js";
import { explain } from "../explain.js";
import { inParallel } from "../in-parallel.js";
import { exitCode, type Io, line } from "../io.js";
import type { LogContent } from "../log/content.js";
import type { RestoreOutcome } from "../log/entry.js";
import { LogFailure } from "../log/log-file.js";
import type { RestoreLog } from "../log/restore-log.js";
import { createLookup } from "../lookup.js";
import { createProgress } from "../progress.js";
import { createResultLines, reasonsOf } from "../results.js";
import { createStopSwitch } from "../stop-switch.js";
import { Patience } from "./patience.js";
import { restoreGrant } from "./restore-grant.js";
import type { RestorePlan, RestoreTask } from "./restore-plan.js";

/** This many grants in a row that fail without a response are taken for a lost connection. */
const mostLost = 20;

export interface RestoreSettings {
  readonly concurrency: number;
  readonly json: boolean;
  /** How long the server may accept nothing before the restore is aborted. */
  readonly giveUpMs: number;
  /** Awaited before each request. */
  readonly turn?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/** Restores the grants of the plan, shows progress, and returns the exit code. */
export async function runRestore(
  content: LogContent,
  plan: RestorePlan,
  connection: Connection,
  log: RestoreLog,
  { concurrency, json, giveUpMs, turn }: RestoreSettings,
  io: Io,
): Promise<number> {
  const { count, tasks } = plan;
  const stopSwitch = createStopSwitch(io);
  const summary = createSummary({ total: count });
  const progress = createProgress(io.stderr, count, platform.monotonicMs);
  const client = connection.createClient();
  const context = {
    ...{ client, log, progress: content.restore, environment: platform, turn },
    lookup: createLookup(connection, { signal: stopSwitch.signal, turn }),
    patience: new Patience(platform, giveUpMs),
    stopped: () => stopSwitch.stopped || thrown !== undefined,
    signal: stopSwitch.signal,
  };
  const lines = createResultLines(io);
  let lostInARow = 0;
  let thrown: unknown;
  const add = (outcome: RestoreOutcome) => {
    log.outcome(outcome);
    summary.add({ grantId: outcome.grantId, status: outcome.restored });
    progress.update(summary.current());
    lines.add(json ? JSON.stringify(outcome) : outcomeLine(outcome));
  };
  const lostConnection = (outcome: RestoreOutcome | undefined): ConnectError | undefined => {
    lostInARow = outcome?.answerLost ? lostInARow + 1 : 0;
    return lostInARow >= mostLost
      ? new ConnectError(outcome?.error?.message ?? "no response", outcome?.error?.code)
      : undefined;
  };
  function* untilStopped() {
    for (const task of tasks()) {
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
  const again = `Continue with: zitadel-user-grants restore --log ${content.path}`;
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
