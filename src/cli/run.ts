import { checkCanAsk, mayGoAhead } from "./ask.js";
import { readSettings, runFlags } from "./bulk-flags.js";
import { carryOut } from "./carry-out.js";
import { type Connection, readConnection } from "./connection.js";
import { checkPermission, lookUpEach } from "./dry-run.js";
import { parseFlags } from "./flags.js";
import { type Gathered, gatherInput, gatherSelected } from "./gather.js";
import type { GrantTable } from "./grant-table.js";
import { headOf, identify, introduce } from "./introduce.js";
import { exitCode, type Io, line, UsageError } from "./io.js";
import { defaultLogPath } from "./log/default-path.js";
import { RunLog } from "./log/run-log.js";
import type { Overview } from "./overview.js";
import { newPlan } from "./plan.js";
import { counted, printable } from "./printable.js";
import { type Rate, rateShown } from "./rate.js";
import { recordStates } from "./record-states.js";
import { resumeRun } from "./resume.js";
import { readSelectors, selectorsGiven } from "./selectors.js";
import type { BulkCommand } from "./settings.js";
import type { Identity } from "./whoami.js";

/** The commands `remove` and `deactivate`. */
export async function runBulk(
  command: BulkCommand,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, runFlags(command));
  if (flags.log !== undefined && flags["no-log"]) {
    throw new UsageError("Give --log or --no-log, not both.");
  }
  if (flags.record && flags["no-log"]) {
    throw new UsageError("--record writes into the log: leave --no-log out.");
  }
  const settings = readSettings(command, flags);
  const [selector] = selectorsGiven(flags);
  if (flags.resume !== undefined) {
    for (const flag of ["log", "no-log", "record", "file", "dry-run"] as const) {
      if (flags[flag] !== undefined) {
        throw new UsageError(`--resume continues the run of its log: leave --${flag} out.`);
      }
    }
    if (positionals.length > 0 || selector !== undefined) {
      throw new UsageError("--resume continues the run of its log, which holds the grants.");
    }
    return await resumeRun(flags.resume, command, flags, settings, io);
  }
  if (selector !== undefined && (positionals.length > 0 || flags.file !== undefined)) {
    throw new UsageError(`Give ids, or select grants with ${selector}, not both.`);
  }
  const selectors = selector === undefined ? undefined : await readSelectors(flags, io);
  const connection = await readConnection(flags, io);
  const fromStdin =
    selectors === undefined
      ? checkInput(positionals, flags.file, connection, io)
      : flags["users-file"] === "-";
  if (!flags["dry-run"]) {
    checkCanAsk(flags.yes, fromStdin || connection.usesStdin, io);
  }
  const rate = settings.rate(connection.baseUrl);
  const log =
    flags["no-log"] || flags["dry-run"] ? undefined : RunLog.create(flags.log ?? defaultLogPath());
  let started = false;
  try {
    let gathered: Gathered | undefined;
    if (selectors === undefined) {
      const written = flags.record ? undefined : log;
      gathered = await gatherInput(command, positionals, flags, written, io);
      if (gathered.grants.size === 0) {
        throw new UsageError("Nothing was done: there are no grants in the input.");
      }
    }
    const identity = await identify(connection, io);
    if (identity === undefined) {
      return exitCode.aborted;
    }
    if (gathered === undefined) {
      gathered = selectors && (await gatherSelected(selectors, connection, rate, log, io));
    } else if (flags.record && log !== undefined) {
      gathered = await recordStates(gathered, connection, rate, log, io);
    }
    if (gathered === undefined) {
      return exitCode.aborted;
    }
    const { grants, overview, unmatched } = gathered;
    if (!settings.quiet) {
      introduce(
        connection,
        identity,
        {
          Grants: overview.count(command, grants.userCount),
          ...rateShown(rate),
          ...(log === undefined ? {} : { Log: log.path }),
          ...(flags["dry-run"] ? {} : undoShown(overview, log)),
        },
        io,
      );
      overview.show(io);
    }
    for (const value of unmatched) {
      line(io.stderr, `Not matched   ${printable(value)}`);
    }
    const incomplete = unmatched.length > 0 && !settings.allowUnknown;
    if (flags["dry-run"]) {
      const code = await dryRun(
        command,
        connection,
        selectors === undefined ? grants : undefined,
        identity,
        rate,
        io,
      );
      return code === exitCode.done && incomplete ? exitCode.incomplete : code;
    }
    if (grants.size === 0) {
      line(io.stderr, "Nothing was done: no grant matches.");
      return settings.allowUnknown ? exitCode.done : exitCode.incomplete;
    }
    if (!flags.yes && !(await mayGoAhead(command, grants.size, io))) {
      line(io.stderr, "Nothing was done.");
      return exitCode.stopped;
    }
    started = true;
    log?.start(headOf(command, connection, identity));
    const code = await carryOut(command, connection, newPlan(grants), log, settings, io);
    return code === exitCode.done && incomplete ? exitCode.incomplete : code;
  } finally {
    if (!started) {
      log?.discard();
    }
  }
}

/** Announces what cannot be undone before it is done. */
function undoShown(overview: Overview, log: RunLog | undefined): { readonly Undo?: string } {
  if (log === undefined) {
    return { Undo: "not possible, as no log is written" };
  }
  return overview.unrecorded === 0
    ? {}
    : {
        Undo: `not possible for ${counted(overview.unrecorded, "grant")}: their roles and state are not known. --record looks them up first`,
      };
}

/** Checks the permission, and the given grants one by one. Returns the exit code. */
async function dryRun(
  command: BulkCommand,
  connection: Connection,
  grants: GrantTable | undefined,
  identity: Identity,
  rate: Rate,
  io: Io,
): Promise<number> {
  if (!(await checkPermission(command, connection, io))) {
    return exitCode.aborted;
  }
  const code =
    grants === undefined ? exitCode.done : await lookUpEach(connection, grants, identity, rate, io);
  if (code === exitCode.done) {
    line(io.stderr, "Input, connection and permission are fine.");
  }
  line(io.stderr, "This was a dry run: nothing was done.");
  return code;
}

/** Whether the grants come from standard input. @throws UsageError when no grants are given. */
function checkInput(
  positionals: readonly string[],
  file: string | undefined,
  { usesStdin }: Connection,
  io: Io,
): boolean {
  if (positionals.length === 0 && file === undefined && (io.stdin.isTTY || usesStdin)) {
    throw new UsageError(
      "No grants given. Give ids as arguments, with --file, or on standard input, or select them with --user, --email, --project or --role.",
    );
  }
  const fromStdin = positionals.length === 0 && (file === undefined || file === "-");
  if (fromStdin && usesStdin) {
    throw new UsageError(
      "Standard input holds the token: give the grants as arguments or with --file.",
    );
  }
  return fromStdin;
}
