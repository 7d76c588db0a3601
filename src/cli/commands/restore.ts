import { checkCanAsk, mayGoAhead } from "../ask.js";
import { paceFlags } from "../bulk-flags.js";
import type { Command, FlagTable } from "../command.js";
import { connectionFlags, connectionNote } from "../connection.js";
import { parseFlags, seconds, wholeNumber } from "../flags.js";
import { introduce } from "../introduce.js";
import { exitCode, type Io, line } from "../io.js";
import { connectAs, logPathOf } from "../log/connect.js";
import { LogContent } from "../log/content.js";
import { LogLock } from "../log/lock.js";
import { RestoreLog } from "../log/restore-log.js";
import { counted, grouped } from "../printable.js";
import { lookupTurns, rateFlags, rateShown, readRate } from "../rate.js";
import { type RestorePlan, restorePlan } from "../restore/restore-plan.js";
import { runRestore } from "../restore/restore-run.js";

const { "give-up": giveUp } = paceFlags("remove");

const restoreFlags = {
  log: { type: "string", value: "<path>", file: true, help: "the log of the run to undo" },
  "dry-run": { type: "boolean", help: "show what would be done, and do nothing" },
  yes: {
    type: "boolean",
    short: "y",
    help: "do not ask; required if there is no terminal to ask on",
  },
  concurrency: { type: "string", value: "<n>", help: "grants at a time (4)" },
  ...rateFlags,
  "give-up": giveUp,
  json: { type: "boolean", help: "outcomes as JSON Lines" },
} as const satisfies FlagTable;

/** The command `restore`. */
export const restore: Command = {
  name: "restore",
  summary: "restore grants that a run has removed or deactivated",
  arguments: "<log>",
  description:
    "Brings grants back to the state that was recorded before the run, and changes nothing else. Removed grants are added again, with new ids; those that were inactive are deactivated again at once. Of deactivated grants, those that were active are reactivated. Grants without a recorded state are skipped, and named. Each step is recorded in the same log, so a stopped restore continues where it was.",
  examples: ["zitadel-user-grants restore --log run.jsonl"],
  groups: [
    { title: "What happens", flags: restoreFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  notes:
    "Exit codes: 0 everything is restored; 1 wrong usage, nothing was sent; 2 some grants failed, were left active, or have no recorded state; 3 stopped early; 4 aborted: connection, authentication or permission failure. Adding grants needs the permission user.grant.write.",
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, {
      ...restoreFlags,
      ...connectionFlags,
    });
    const path = logPathOf("restore", flags.log, positionals);
    const concurrency = wholeNumber("concurrency", flags.concurrency, 100) ?? 4;
    const giveUpMs = seconds("give-up", flags["give-up"]) ?? 300_000;
    // Do not touch the file before it is known to be a log, nor put a lock beside any other file.
    LogContent.readHead(path, "restore");
    // A dry run only reads.
    const lock = flags["dry-run"] ? undefined : LogLock.take(path, "restore");
    let log: RestoreLog | undefined;
    try {
      const content = LogContent.read(path, "restore");
      if (!flags["dry-run"]) {
        checkCanAsk(flags.yes, flags["token-file"] === "-", io);
      }
      const connected = await connectAs(content.head, flags, io);
      if (connected === undefined) {
        return exitCode.aborted;
      }
      const { connection, identity } = connected;
      const plan = restorePlan(content);
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
      log = new RestoreLog(path, lock, content.wholeBytes, identity);
      const json = flags.json ?? false;
      const settings = { concurrency, json, giveUpMs, turn: lookupTurns(rate) };
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
