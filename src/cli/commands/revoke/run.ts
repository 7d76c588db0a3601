import { headOf, type Identified, identify, introduce, probePermission } from "../../account.js";
import { type Connection, readConnection } from "../../connect.js";
import { type Command, parseFlags } from "../../flags.js";
import { readSelectors, selectorsGiven } from "../../grants/selectors.js";
import { exitCode, type Io, line, UsageError } from "../../io.js";
import type { LoggedCommand, Selectors } from "../../log/entry.js";
import { defaultLogPath, RunLog } from "../../log/write.js";
import { rateShown } from "../../pace.js";
import { createResultLines } from "../../progress.js";
import { checkCanAsk, counted, jsonText, mayGoAhead, printable } from "../../terminal.js";
import { carryOut } from "./carry-out.js";
import { bulkGroups, readSettings, runFlags, type Settings } from "./flags.js";
import { asGiven, type Gathered, gatherInput, gatherSelected, readGiven } from "./gather.js";
import { newPlan } from "./plan.js";

/** The command `remove`. */
export const remove: Command = {
  name: "remove",
  summary: "remove grants: one, or as many as you like",
  arguments: "[<grant id> ...]",
  description:
    "Removes grants that flags such as --project select, or that arguments, --file or standard input name. Asks first, and looks afterwards whether the access has ended.",
  groups: bulkGroups("remove"),
  run: (args, io) => runBulk("remove", args, io),
};

/** The command `deactivate`. */
export const deactivate: Command = {
  name: "deactivate",
  summary: "deactivate grants: they stay, and can be activated again",
  arguments: "[<grant id> ...]",
  description:
    "Deactivates grants that flags such as --project select, or that arguments, --file or standard input name. Asks first, and looks afterwards whether the access has ended.",
  groups: bulkGroups("deactivate"),
  run: (args, io) => runBulk("deactivate", args, io),
};

async function runBulk(command: LoggedCommand, args: readonly string[], io: Io): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, runFlags(command));
  if (flags.log !== undefined && flags["no-log"]) {
    throw new UsageError("Give --log or --no-log, not both.");
  }
  if (flags.repair && (flags["no-log"] || command === "remove")) {
    throw new UsageError(
      "--repair deactivates again what the log says was deactivated: it goes with deactivate and a log.",
    );
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
      : flags["users-file"] === "-" || flags["emails-file"] === "-";
  const isDryRun = flags["dry-run"] === true;
  if (!isDryRun) {
    checkCanAsk(flags.yes, fromStdin || connection.usesStdin, io);
  }
  const rate = settings.rate(connection.baseUrl);
  const log =
    flags["no-log"] || isDryRun ? undefined : RunLog.create(flags.log ?? defaultLogPath());
  let started = false;
  try {
    const input = selectors === undefined && (await gatherInput(positionals, flags, io));
    const identified = await identify(connection, io);
    let gathered: Gathered | undefined;
    if (selectors !== undefined) {
      gathered = await gatherSelected(selectors, identified, rate, log, io);
    } else if (input) {
      gathered = flags["no-record"]
        ? asGiven(input, log)
        : await readGiven(input, identified, rate, log, io);
    }
    if (gathered === undefined) {
      return exitCode.aborted;
    }
    const { grants, shortfall, unmatched } = gathered;
    if (shortfall !== undefined && !flags["allow-incomplete"]) {
      line(io.stderr, `${shortfall} Nothing was done. --allow-incomplete goes on without them.`);
      return exitCode.incomplete;
    }
    if (!settings.quiet) {
      showPlan(command, identified, gathered, settings, log, isDryRun, io);
    }
    for (const value of unmatched) {
      line(io.stderr, `Not matched   ${printable(value)}`);
    }
    const incomplete = shortfall !== undefined || (unmatched.length > 0 && !settings.allowUnknown);
    const worst = (code: number) =>
      code === exitCode.done && incomplete ? exitCode.incomplete : code;
    if (isDryRun) {
      return worst(await dryRun(command, identified.connection, gathered, settings, io));
    }
    if (grants.length === 0) {
      line(io.stderr, "Nothing was done: no grant matches.");
      return settings.allowUnknown ? exitCode.done : exitCode.incomplete;
    }
    if (!flags.yes && !(await mayGoAhead(command, grants.length, io))) {
      line(io.stderr, "Nothing was done.");
      return exitCode.stopped;
    }
    started = true;
    log?.start(headOfRun(command, identified, selectors, flags.rate));
    const code = await carryOut(
      { ...identified, plan: newPlan(command, grants, selectors), log, settings },
      io,
    );
    if (shortfall !== undefined) {
      line(io.stderr, `Not all grants were ${command}d: ${shortfall}`);
    }
    return worst(code);
  } finally {
    if (!started) {
      log?.discard();
    }
  }
}

function headOfRun(
  command: LoggedCommand,
  { connection, identity }: Identified,
  selectors: Selectors | undefined,
  rate: string | undefined,
) {
  return {
    ...headOf(command, connection, identity),
    ...(selectors === undefined ? {} : { selectors }),
    ...(rate === undefined ? {} : { rate: Number(rate) }),
  };
}

/** What is about to happen, with where and as whom right above the question. */
function showPlan(
  command: LoggedCommand,
  { connection, identity }: Identified,
  { overview, shortfall }: Gathered,
  settings: Settings,
  log: RunLog | undefined,
  isDryRun: boolean,
  io: Io,
): void {
  overview.show(command, io);
  const undo =
    log === undefined
      ? "not possible, as no log is written"
      : overview.unread > 0
        ? `not possible for ${counted(overview.unread, "grant")} that ${overview.unread === 1 ? "was" : "were"} not read first`
        : undefined;
  introduce(
    connection,
    identity,
    {
      Grants: overview.count(command),
      ...(shortfall === undefined ? {} : { Incomplete: shortfall }),
      ...rateShown(settings.rate(connection.baseUrl)),
      ...(log === undefined ? {} : { Log: log.path }),
      ...(undo === undefined || isDryRun ? {} : { Undo: undo }),
    },
    io,
  );
}

/** Checks the permission, and reports given grants one by one. Returns the exit code. */
async function dryRun(
  command: LoggedCommand,
  connection: Connection,
  { grants, overview }: Gathered,
  { json, allowUnknown }: Settings,
  io: Io,
): Promise<number> {
  const { ok, detail } = await probePermission(connection, command);
  if (!ok) {
    line(io.stderr, detail);
    line(io.stderr, "This was a dry run: nothing was done, and nothing could be.");
    return exitCode.aborted;
  }
  const lines = createResultLines(io);
  for (const { grantId, userId, shows } of grants) {
    if (json) {
      lines.add(jsonText({ grantId, ...(userId === "" ? {} : { userId }), shows }));
    } else if (shows !== undefined) {
      lines.add(`${grantId}\t${shows}`);
    }
  }
  lines.end();
  const { missing } = overview;
  if (missing > 0) {
    line(
      io.stderr,
      `${counted(missing, "grant")} not found: gone, never there, or of another organization, which looks the same from here.`,
    );
  } else {
    line(io.stderr, "Input, connection and permission are fine.");
  }
  line(io.stderr, "This was a dry run: nothing was done.");
  return missing > 0 && !allowUnknown ? exitCode.incomplete : exitCode.done;
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
