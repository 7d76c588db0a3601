import { introduce } from "../../account.js";
import { connectionGroup } from "../../connect.js";
import { defineCommand, type FlagTable, type FlagValues, wholeNumber } from "../../flags.js";
import type { Expected } from "../../grants/effect.js";
import { exitCode, type Io, line } from "../../io.js";
import type { RestoreOutcome } from "../../log/entry.js";
import { withLog } from "../../log/open.js";
import type { LogContent } from "../../log/read.js";
import { inParallel, rateShown } from "../../pace.js";
import { createReport, reasonsOf } from "../../progress.js";
import { checkCanAsk, confirm, firstOf, grouped, paint } from "../../terminal.js";
import { type Context, inContext } from "../revoke/context.js";
import { isInEffect } from "../revoke/effect.js";
import { actionFlags } from "../revoke/flags.js";
import { restoreGrant } from "./grant.js";
import { type RestorePlan, type RestoreTask, restorePlan, restoreTasks } from "./plan.js";

const restoreFlags = {
  "dry-run": { type: "boolean", help: "show what would be done, and do nothing" },
  ...actionFlags,
  concurrency: { type: "string", value: "<n>", help: "grants at a time (1)" },
} as const satisfies FlagTable;

/** The command `restore`. */
export const restore = defineCommand({
  name: "restore",
  summary: "restore grants that a run has removed or deactivated",
  arguments: "<log>",
  description:
    "Brings grants back to the state that was recorded before the run, and changes nothing else. Removed grants are added again, with new ids; those that were inactive are deactivated again at once. Of deactivated grants, those that were active are reactivated. Grants without a recorded state are skipped, and named. Each step is recorded in the same log, so a stopped restore continues where it was. Then it looks whether ZITADEL shows them. Needs the permission user.grant.write.",
  examples: ["zitadel-user-grants restore run.jsonl"],
  groups: [{ title: "What happens", flags: restoreFlags }, connectionGroup],
  async run(flags, args, io) {
    wholeNumber("concurrency", flags.concurrency, 100);
    // A dry run only reads.
    const isDry = flags["dry-run"] ?? false;
    if (!isDry) {
      checkCanAsk(flags, io);
    }
    return await withLog("restore", args, { flags, changes: !isDry, io }, async (opened) => {
      const { identity, content, rate } = opened;
      const plan = await restorePlan(content);
      const count = plan.overview.known;
      if (!flags.quiet) {
        plan.overview.show("restore", io);
        const what = content.head.command === "remove" ? "add again" : "reactivate";
        const Grants = count > 0 ? plan.overview.count(what) : "none to restore";
        introduce(identity, { Log: content.path, Grants, ...rateShown(rate) }, io);
        showSkipped(plan, io);
      }
      if (isDry || count === 0) {
        line(io.stderr, "Nothing was done.");
        return plan.lost.length > 0 ? exitCode.incomplete : exitCode.done;
      }
      await confirm("restore", count, flags, io);
      const options = { ...opened, log: opened.append("restored"), quiet: flags.quiet, io };
      return await inContext(options, (context) => runRestore(content, plan, flags, context));
    });
  },
});

function showSkipped({ skipped, lost }: RestorePlan, io: Io): void {
  for (const [reason, ids] of skipped) {
    line(io.stderr, `Skipped       ${grouped(ids.length)}: ${reason}`);
  }
  for (const text of firstOf(lost.map((grantId) => `${grantId} cannot be restored`))) {
    line(io.stderr, `              ${text}`);
  }
}

/** Restores the grants of the plan, looks whether ZITADEL shows them, and returns the exit code. */
async function runRestore(
  content: LogContent,
  { overview, lost }: RestorePlan,
  flags: FlagValues<typeof restoreFlags>,
  context: Context,
): Promise<number> {
  const { log, stopSwitch, io } = context;
  const report = createReport(overview.known, flags, io);
  /** What must be shown of each grant. */
  const expected = new Map<string, Expected>();
  async function* tasks(): AsyncGenerator<RestoreTask> {
    for await (const { task } of restoreTasks(content)) {
      if (stopSwitch.stopSignal.aborted) {
        return;
      }
      if (typeof task !== "string") {
        yield task;
      }
    }
  }
  await inParallel(tasks(), Number(flags.concurrency ?? 1), async (task) => {
    const outcome = await restoreGrant(task, context);
    if (outcome === undefined) {
      return;
    }
    const { grantId, restored, newGrantId, state } = outcome;
    log?.note(outcome);
    const isProblem = restored === "failed" || restored === "left-active";
    if (state !== undefined && !isProblem) {
      expected.set(newGrantId ?? grantId, state === "inactive" ? "shown inactive" : state);
    }
    const problem = isProblem ? "failed" : undefined;
    report.add({ grantId, status: restored }, outcome, lineOf(outcome), problem);
  });
  const { counts, done } = report.end();
  const isWhole = conclude(counts, overview.known - done, context) && lost.length === 0;
  const ending = { command: "restore", expected, confirmed: expected.size } as const;
  const isShown = await isInEffect({ ...ending, isUnchecked: flags["no-check"] }, context);
  return isWhole && isShown ? exitCode.done : exitCode.incomplete;
}

/**
 * Reports what was done. Whether everything could be restored.
 *
 * @throws Ended when the run could not be finished.
 */
function conclude(
  { restored = 0, reactivated = 0, failed = 0, ...counts }: Readonly<Record<string, number>>,
  left: number,
  context: Context,
): boolean {
  const { stopSwitch, quiet, io } = context;
  const leftActive = counts["left-active"] ?? 0;
  if (!quiet || stopSwitch.stopSignal.aborted || failed + leftActive > 0) {
    const parts = [
      `${restored + reactivated} restored`,
      `${counts["already-there"] ?? 0} were there already`,
      `${failed} failed`,
      ...(leftActive > 0
        ? [paint(io.stderr, "danger", `${leftActive} LEFT ACTIVE that were inactive`)]
        : []),
      ...(left > 0 ? [`${left} left to do`] : []),
    ];
    line(io.stderr, `${parts.join(", ")}.`);
  }
  context.checkEnded("restore", false);
  return failed + leftActive === 0;
}

/** Columns between tabs. */
function lineOf(outcome: RestoreOutcome): string {
  const { grantId, restored, newGrantId, state } = outcome;
  const what = [restored, ...(newGrantId === undefined ? [] : [`as ${newGrantId}`])].join(" ");
  return [grantId, what, state ?? "", ...reasonsOf(outcome)].join("\t").trimEnd();
}
