import { ConnectError } from "@connectrpc/connect";
import { headOf, type Identity, identify, introduce } from "../../account.js";
import { type Connection, readConnection } from "../../connect.js";
import { explain } from "../../explain.js";
import { type Command, oneOf, parseFlags } from "../../flags.js";
import { formats } from "../../grants/content.js";
import { type InputGrant, readGrants } from "../../grants/input.js";
import { createLookup } from "../../grants/lookup.js";
import { toLoggedGrant } from "../../grants/record.js";
import { type SelectionEnd, selectGrants } from "../../grants/select.js";
import { readSelectors, type Selectors, selectorsGiven } from "../../grants/selectors.js";
import { GrantTable } from "../../grants/table.js";
import { exitCode, Interrupted, type Io, line, UsageError } from "../../io.js";
import type { LoggedCommand, LoggedGrant } from "../../log/entry.js";
import { defaultLogPath, RunLog } from "../../log/write.js";
import { inParallel, lookupTurns, type Rate, rateShown } from "../../pace.js";
import { checkCanAsk, counted, mayGoAhead, printable } from "../../terminal.js";
import { carryOut } from "./carry-out.js";
import { bulkGroups, readSettings, runFlags } from "./flags.js";
import { checkPermission, lookUpEach, Overview } from "./overview.js";
import { newPlan } from "./plan.js";

/** The command `remove`. */
export const remove: Command = {
  name: "remove",
  summary: "remove grants: one, or as many as you like",
  arguments: "[<grant id> ...]",
  description:
    "Removes grants: those that flags such as --project and --role select, or those whose ids come from arguments, from --file, or from standard input. It shows what is about to happen, and asks for confirmation.",
  groups: bulkGroups("remove"),
  run: (args, io) => runBulk("remove", args, io),
};

/** The command `deactivate`. */
export const deactivate: Command = {
  name: "deactivate",
  summary: "deactivate grants: they stay, and can be activated again",
  arguments: "[<user id>/<grant id> ...]",
  description:
    "Deactivates grants: those that flags such as --project and --role select, or those whose user and grant ids come from arguments, from --file, or from standard input. It shows what is about to happen, and asks for confirmation.",
  groups: bulkGroups("deactivate"),
  run: (args, io) => runBulk("deactivate", args, io),
};

/** The commands `remove` and `deactivate`. */
export async function runBulk(
  command: LoggedCommand,
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
  const settings = readSettings(flags);
  const [selector] = selectorsGiven(flags);
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
      gathered = await gatherInput(positionals, flags, written, io);
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
  command: LoggedCommand,
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

/** The grants of a run, and what is shown of them. */
export interface Gathered {
  readonly grants: GrantTable;
  readonly overview: Overview;
  /** Selectors that match no grant, as they were given. */
  readonly unmatched: readonly string[];
}

export interface InputFlags {
  readonly file?: string | undefined;
  readonly format?: string | undefined;
  readonly column?: string | undefined;
}

/** Reads the grants from arguments, a file or standard input, and adds them to the log. @throws UsageError */
export async function gatherInput(
  positionals: readonly string[],
  flags: InputFlags,
  log: RunLog | undefined,
  io: Io,
): Promise<Gathered> {
  const gathering = new Gathering(log);
  const reading = {
    file: flags.file,
    format: oneOf("--format", flags.format, formats),
    column: flags.column,
  };
  await readGrants(positionals, reading, (grant) => gathering.add(toLogged(grant)), io);
  return { ...gathering, unmatched: [] };
}

/**
 * Searches for the grants that match the selectors, to the end: removing grants while paging would shift the
 * rest. Undefined, after reporting the reason, when the search fails.
 *
 * @throws UsageError; Interrupted at Ctrl-C.
 */
export async function gatherSelected(
  selectors: Selectors,
  connection: Connection,
  rate: Rate,
  log: RunLog | undefined,
  io: Io,
): Promise<Gathered | undefined> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const gathering = new Gathering(log);
  let end: SelectionEnd | undefined;
  try {
    const selection = selectGrants(lookup, selectors);
    while (end === undefined) {
      const { done, value } = await selection.next();
      if (done) {
        end = value;
      } else {
        gathering.add(toLoggedGrant(value));
      }
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    line(io.stderr, explain(error));
    line(io.stderr, "Nothing was done: the grants were not read to the end.");
    return undefined;
  } finally {
    stopListening();
  }
  if (end.unstable) {
    line(
      io.stderr,
      "Grants were added or removed while they were read: some may be missing. Run it again afterwards.",
    );
  }
  return { ...gathering, unmatched: end.unmatched };
}

function toLogged({ grantId, claimed = {} }: InputGrant): LoggedGrant {
  const { state, projectId, projectGrantId, roleKeys = [], ...names } = claimed;
  return (state === "active" || state === "inactive") && projectId !== undefined
    ? { grantId, ...names, recorded: { state, roleKeys, projectId, projectGrantId } }
    : { grantId, userId: claimed.userId };
}

class Gathering {
  readonly grants = new GrantTable();
  readonly overview = new Overview();
  readonly #log: RunLog | undefined;

  constructor(log: RunLog | undefined) {
    this.#log = log;
  }

  /** Whether the grant is new. */
  add(grant: LoggedGrant): boolean {
    const before = this.grants.size;
    this.grants.add(grant.grantId, grant.userId);
    if (this.grants.size === before) {
      return false;
    }
    this.overview.add(grant);
    this.#log?.grant(grant);
    return true;
  }
}

const concurrency = 8;

/**
 * Looks up each grant, and records its state before the run in the log, so that it can be restored. A grant
 * that is not found is recorded without a state. Undefined, after reporting the reason, when grants cannot be
 * read.
 *
 * @throws Interrupted at Ctrl-C.
 */
export async function recordStates(
  { grants, unmatched }: Gathered,
  connection: Connection,
  rate: Rate,
  log: RunLog,
  io: Io,
): Promise<Gathered | undefined> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const overview = new Overview();
  function* indexes() {
    for (let index = 0; index < grants.size; index++) {
      yield index;
    }
  }
  try {
    await inParallel(indexes(), concurrency, async (index) => {
      const known = grants.grant(index);
      // ZITADEL does not compare the user, but requires one.
      const record = await lookup.getGrant(known.userId || "0", known.grantId);
      const grant = record === undefined ? known : toLoggedGrant(record);
      grants.add(grant.grantId, grant.userId);
      overview.add(grant);
      log.grant(grant);
    });
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    return { grants, overview, unmatched };
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    line(io.stderr, `The grants cannot be recorded: ${explain(error)}`);
    line(io.stderr, "Nothing was done.");
    return undefined;
  } finally {
    stopListening();
  }
}
