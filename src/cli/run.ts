import { close } from "../client/close.js";
import { describeError } from "../errors/describe.js";
import { checkCanAsk, question } from "./ask.js";
import { readSettings, runFlags } from "./bulk-flags.js";
import { carryOut } from "./carry-out.js";
import { confirm } from "./confirm.js";
import { type Connection, readConnection } from "./connection.js";
import { explain } from "./explain.js";
import { oneOf, parseFlags } from "./flags.js";
import { GrantTable } from "./grant-table.js";
import { formats, readGrants } from "./input.js";
import { headOf, identify, introduce } from "./introduce.js";
import { exitCode, type Io, line, UsageError } from "./io.js";
import { defaultLogPath } from "./log/default-path.js";
import { RunLog } from "./log/run-log.js";
import { newPlan } from "./plan.js";
import { resumeRun } from "./resume.js";
import type { BulkCommand } from "./settings.js";

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
  const settings = readSettings(command, flags);
  if (flags.resume !== undefined) {
    for (const flag of ["log", "no-log", "file", "dry-run"] as const) {
      if (flags[flag] !== undefined) {
        throw new UsageError(`--resume continues the run of its log: leave --${flag} out.`);
      }
    }
    if (positionals.length > 0) {
      throw new UsageError("--resume continues the run of its log, which holds the grants.");
    }
    return await resumeRun(flags.resume, command, flags, settings, io);
  }
  const connection = await readConnection(flags, io);
  const fromStdin = checkInput(positionals, flags, connection, io);
  if (!flags["dry-run"]) {
    checkCanAsk(flags.yes, fromStdin || connection.usesStdin, io);
  }
  const log =
    flags["no-log"] || flags["dry-run"] ? undefined : RunLog.create(flags.log ?? defaultLogPath());
  let started = false;
  try {
    const grants = await readAll(command, positionals, flags, log, io);
    const identity = await identify(connection, io);
    if (identity === undefined) {
      return exitCode.refused;
    }
    const more = {
      Grants: `${grants.size} to ${command}`,
      ...(log === undefined ? {} : { Log: log.path }),
    };
    introduce(connection, identity, more, io);
    if (flags["dry-run"]) {
      return await dryRun(connection, io);
    }
    if (!flags.yes && !(await confirm(question(command, grants.size), io))) {
      line(io.stderr, "Nothing was done.");
      return exitCode.stopped;
    }
    started = true;
    log?.start(headOf(command, connection, identity));
    return await carryOut(command, connection, newPlan(grants), log, settings, io);
  } finally {
    if (!started) {
      log?.discard();
    }
  }
}

interface InputFlags {
  readonly file?: string | undefined;
  readonly format?: string | undefined;
  readonly column?: string | undefined;
  readonly "user-column"?: string | undefined;
}

/** Whether the grants come from standard input. @throws UsageError when none are given. */
function checkInput(
  positionals: readonly string[],
  { file }: InputFlags,
  { usesStdin }: Connection,
  io: Io,
): boolean {
  if (positionals.length === 0 && file === undefined && (io.stdin.isTTY || usesStdin)) {
    throw new UsageError(
      "No grants given. Give ids as arguments, with --file, or on standard input.",
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

/** Reads what there is to do, into the log as well. */
async function readAll(
  command: BulkCommand,
  positionals: readonly string[],
  flags: InputFlags,
  log: RunLog | undefined,
  io: Io,
): Promise<GrantTable> {
  const reading = {
    file: flags.file,
    format: oneOf("--format", flags.format, formats),
    column: flags.column,
    userColumn: flags["user-column"],
  };
  const grants = new GrantTable();
  for (const grant of await readGrants(positionals, reading, command === "deactivate", io)) {
    const before = grants.size;
    if (grants.add(grant.grantId, grant.userId) === before) {
      log?.grant(grant);
    }
  }
  if (grants.size === 0) {
    throw new UsageError("Nothing was done: there are no grants in the input.");
  }
  return grants;
}

/** Asks for the removal of nothing: the server checks token, organization and permission first. */
async function dryRun(connection: Connection, io: Io): Promise<number> {
  const client = connection.createClient();
  try {
    await client.bulkRemoveUserGrant({ grantId: [] });
  } catch (error) {
    if (describeError(error).id !== "COMMAND-5M0sd") {
      line(io.stderr, explain(error));
      line(io.stderr, "This was a dry run: nothing was done, and nothing could be.");
      return exitCode.refused;
    }
  } finally {
    close(client);
  }
  line(io.stderr, "Input, connection and permission are fine.");
  line(io.stderr, "This was a dry run: nothing was done.");
  return exitCode.done;
}
