import { identify, introduce, probePermission } from "../../account.js";
import { type Connection, readConnection } from "../../connect.js";
import { type Command, defineCommand, wholeNumber } from "../../flags.js";
import { readSelectors, selectorGiven } from "../../grants/selectors.js";
import { Ended, exitCode, type Io, line, UsageError } from "../../io.js";
import type { LoggedCommand, Selectors } from "../../log/entry.js";
import { defaultLogPath, RunLog } from "../../log/write.js";
import { rateShown, readRate } from "../../pace.js";
import { createReport } from "../../progress.js";
import { checkCanAsk, confirm, counted, printable } from "../../terminal.js";
import { carryOut } from "./carry-out.js";
import { inContext, type RunOptions } from "./context.js";
import { type BulkFlags, bulkGroups } from "./flags.js";
import { type Gathered, gatherGiven, gatherInput, gatherSelected } from "./gather.js";

/** The command `remove`. */
export const remove = revoke("remove", "Removes", "remove grants: one, or as many as you like");

/** The command `deactivate`. */
export const deactivate = revoke(
  "deactivate",
  "Deactivates",
  "deactivate grants: they stay, and can be activated again",
);

function revoke(name: LoggedCommand, verb: string, summary: string): Command {
  const description = `${verb} grants that flags such as --project select, or that arguments, --file or standard input name. Asks first, and looks afterwards whether the access has ended.`;
  return defineCommand({
    ...{ name, summary, description, arguments: "[<grant id> ...]", groups: bulkGroups },
    run: (flags, args, io) => runBulk(name, flags, args, io),
  });
}

async function runBulk(
  command: LoggedCommand,
  flags: BulkFlags,
  args: readonly string[],
  io: Io,
): Promise<number> {
  if (flags.log !== undefined && flags["no-log"]) {
    throw new UsageError("Give --log or --no-log, not both.");
  }
  if (flags.repair && (flags["no-check"] || flags["no-log"] || command === "remove")) {
    throw new UsageError(
      "--repair deactivates again what the check finds and the log confirms: it goes with deactivate, a log and the check.",
    );
  }
  wholeNumber("concurrency", flags.concurrency, 1000);
  const selector = selectorGiven(flags);
  if (selector !== undefined && (args.length > 0 || flags.file !== undefined)) {
    throw new UsageError(`Give ids, or select grants with --${selector}, not both.`);
  }
  const isGiven = selector !== undefined || args.length > 0 || flags.file !== undefined;
  if (!isGiven && io.stdin.isTTY) {
    throw new UsageError(
      "No grants given. Give ids as arguments, with --file, or on standard input, or select them with --user, --email, --project or --role.",
    );
  }
  const selectors = selector === undefined ? undefined : await readSelectors(flags, io);
  const given = await readConnection(flags, io);
  const rate = readRate(flags.rate, given.baseUrl);
  const isDryRun = flags["dry-run"] === true;
  if (!isDryRun) {
    checkCanAsk(flags, io);
  }
  const isLogged = !flags["no-log"] && !isDryRun;
  const log = isLogged ? RunLog.create(flags.log ?? defaultLogPath()) : undefined;
  try {
    const input = selectors ?? (await gatherInput(args, flags, io));
    const identified = await identify(given, io, isDryRun ? "read" : "change");
    const options = { ...identified, log, rate, quiet: flags.quiet, io };
    const gathered =
      "users" in input
        ? await gatherSelected(input, options)
        : await gatherGiven(input, flags, options);
    return await proceed(command, selectors, gathered, flags, options);
  } finally {
    // Unless the run has started, and ended.
    log?.discard();
  }
}

/** Shows what is about to happen, asks, and carries it out. Returns the exit code. */
async function proceed(
  command: LoggedCommand,
  selectors: Selectors | undefined,
  gathered: Gathered,
  flags: BulkFlags,
  options: RunOptions,
): Promise<number> {
  const { connection, identity, log, io } = options;
  const { grants, shortfall, unmatched } = gathered;
  if (shortfall !== undefined && !flags["allow-incomplete"]) {
    const text = `${shortfall} Nothing was done. --allow-incomplete goes on without them.`;
    throw new Ended(exitCode.incomplete, text);
  }
  if (!flags.quiet) {
    showPlan(command, gathered, options, flags);
  }
  for (const value of unmatched) {
    line(io.stderr, `Not matched   ${printable(value)}`);
  }
  const isWhole = shortfall === undefined && (unmatched.length === 0 || flags["allow-unknown"]);
  const atBest = isWhole ? exitCode.done : exitCode.incomplete;
  if (flags["dry-run"]) {
    await dryRun(command, connection, gathered, flags, io);
    const isFound = gathered.overview.missing === 0 || flags["allow-unknown"];
    return isFound ? atBest : exitCode.incomplete;
  }
  if (grants.length === 0) {
    line(io.stderr, "Nothing was done: no grant matches.");
    return flags["allow-unknown"] ? atBest : exitCode.incomplete;
  }
  await confirm(command, grants.length, flags, io);
  const limit = flags.rate === undefined ? undefined : Number(flags.rate);
  log?.start({ command, ...identity, selectors, rate: limit });
  const { unread } = gathered.overview;
  const plan = { command, total: grants.length, unread, open: grants, selectors };
  const run = inContext(options, (context) => carryOut(plan, flags, context));
  const code = await run.finally(() => {
    if (shortfall !== undefined) {
      line(io.stderr, `Not all grants were ${command}d: ${shortfall}`);
    }
  });
  return code === exitCode.done ? atBest : code;
}

/** What is about to happen, with where and as whom right above the question. */
function showPlan(
  command: LoggedCommand,
  { overview, shortfall }: Gathered,
  { identity, rate, log, io }: RunOptions,
  flags: BulkFlags,
): void {
  overview.show(command, io);
  const { unread } = overview;
  const undo =
    log === undefined
      ? "not possible, as no log is written"
      : `not possible for ${counted(unread, "grant")} that ${unread === 1 ? "was" : "were"} not read first`;
  const Undo = flags["dry-run"] || (log !== undefined && unread === 0) ? undefined : undo;
  const Grants = overview.count(command);
  const more = { Grants, Incomplete: shortfall, ...rateShown(rate), Log: log?.path, Undo };
  introduce(identity, more, io);
}

/** Checks the permission, and reports given grants one by one. @throws Ended without the permission. */
async function dryRun(
  command: LoggedCommand,
  connection: Connection,
  { grants }: Gathered,
  flags: BulkFlags,
  io: Io,
): Promise<void> {
  const { ok, detail } = await probePermission(connection, command);
  if (!ok) {
    const text = "This was a dry run: nothing was done, and nothing could be.";
    throw new Ended(exitCode.aborted, `${detail}\n${text}`);
  }
  const report = createReport(grants.length, { json: flags.json, quiet: true }, io);
  for (const { grantId, userId, shows } of grants) {
    const problem = shows === "active" || shows === "inactive" ? undefined : "warn";
    if (shows !== undefined || flags.json) {
      const value = { grantId, userId: userId || undefined, shows };
      report.add({ grantId, status: "" }, value, `${grantId}\t${shows}`, problem);
    }
  }
  report.end();
  line(io.stderr, "Connection and permission are fine. This was a dry run: nothing was done.");
}
