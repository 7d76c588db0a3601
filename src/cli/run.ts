import { ConnectError } from "@connectrpc/connect";
import { close } from "../client/close.js";
import { describeError } from "../errors/describe.js";
import { carryOut, suspiciousUnknown } from "./carry-out.js";
import type { FlagGroup, FlagTable } from "./command.js";
import { confirm } from "./confirm.js";
import { type Connection, connectionFlags, connectionNote, readConnection } from "./connection.js";
import { explain } from "./explain.js";
import { oneOf, parseFlags, wholeNumber } from "./flags.js";
import { formats, type InputGrant, readGrants } from "./input.js";
import { exitCode, type Io, line, UsageError } from "./io.js";
import { type LogContent, type LogHead, RunLog, readLog } from "./log.js";
import { checkSameRun, makePlan, type Plan } from "./plan.js";
import { type Identity, NoAccess, whoAmI } from "./whoami.js";

type Command = LogHead["command"];

const inputFlags = (command: Command) =>
  ({
    file: {
      type: "string",
      value: "<path>",
      file: true,
      help: `one grant a line${command === "remove" ? "" : " (<user id>/<grant id>)"}; .csv and .jsonl are known by their names; - for standard input`,
    },
    format: {
      type: "string",
      value: "<name>",
      values: formats,
      help: "text, csv or jsonl, where the name does not say",
    },
    column: {
      type: "string",
      value: "<name>",
      help: "column of the CSV (field of the JSON) with grant ids; grantId or grant_id by default",
    },
    "user-column": {
      type: "string",
      value: "<name>",
      help: "the same for user ids; userId or user_id by default",
    },
  }) as const satisfies FlagTable;

const actionFlags = {
  "dry-run": {
    type: "boolean",
    help: "check input, connection and permission, and change nothing",
  },
  yes: {
    type: "boolean",
    short: "y",
    help: "do not ask; needed where there is no terminal to ask on",
  },
  "allow-unknown": {
    type: "boolean",
    help: `grants that are not found count as done, also when the first ${suspiciousUnknown} all are`,
  },
  json: { type: "boolean", help: "outcomes as JSON Lines" },
} as const satisfies FlagTable;

const logFlags = {
  log: {
    type: "string",
    value: "<path>",
    file: true,
    help: "write a log that a run can be resumed from, whatever ends it",
  },
  resume: {
    type: "string",
    value: "<path>",
    file: true,
    help: "go on with the run of that log; its grants need not be given again",
  },
} as const satisfies FlagTable;

const paceFlags = (command: Command) =>
  ({
    "batch-size": { type: "string", value: "<n>", help: "grants in a request (100)" },
    concurrency: {
      type: "string",
      value: "<n>",
      help: `requests at a time (${command === "remove" ? 4 : 8})`,
    },
    timeout: { type: "string", value: "<seconds>", help: "how long a request may take (30)" },
    "give-up": {
      type: "string",
      value: "<seconds>",
      help: "stop when the server accepts nothing for so long (300)",
    },
  }) as const satisfies FlagTable;

/** The flags of `remove` and `deactivate`, as their help shows them. */
export function bulkGroups(command: Command): FlagGroup[] {
  const { "batch-size": batchSize, ...pace } = paceFlags(command);
  const { "user-column": userColumn, ...input } = inputFlags(command);
  const remove = command === "remove";
  return [
    { title: "Grants", flags: remove ? input : { ...input, "user-column": userColumn } },
    { title: "What happens", flags: actionFlags },
    { title: "Log", flags: logFlags },
    { title: "Pace", flags: remove ? { "batch-size": batchSize, ...pace } : pace },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ];
}

const runFlags = (command: Command) => ({
  ...inputFlags(command),
  ...actionFlags,
  ...logFlags,
  ...paceFlags(command),
  ...connectionFlags,
});

/** The commands `remove` and `deactivate`. */
export async function runBulk(command: Command, args: readonly string[], io: Io): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, runFlags(command));
  if (flags.log !== undefined && flags.resume !== undefined) {
    throw new UsageError("--resume goes on with its own log: leave --log out.");
  }
  if (command === "deactivate" && flags["batch-size"] !== undefined) {
    throw new UsageError("--batch-size is of remove: each deactivation is a request of its own.");
  }
  const settings = {
    batchSize: wholeNumber("batch-size", flags["batch-size"]),
    concurrency: wholeNumber("concurrency", flags.concurrency, 1000),
    timeoutMs: seconds("timeout", flags.timeout),
    giveUpMs: seconds("give-up", flags["give-up"]),
    json: flags.json ?? false,
    allowUnknown: flags["allow-unknown"] ?? false,
    logPath: flags.log ?? flags.resume,
  };
  const connection = await readConnection(flags, io);
  const earlier = flags.resume === undefined ? undefined : readLog(flags.resume);
  checkSameRun(command, connection, earlier);
  const plan = await readPlan(command, positionals, flags, connection, earlier, io);
  const identity = await introduce(command, connection, plan, io);
  if (identity === undefined) {
    return exitCode.refused;
  }
  if (flags["dry-run"]) {
    return await dryRun(connection, io);
  }
  const question = `${command === "remove" ? "Remove" : "Deactivate"} ${plan.open.length === 1 ? "1 grant" : `${plan.open.length} grants`}?`;
  if (!flags.yes && plan.open.length > 0 && !(await confirm(question, io))) {
    line(io.stderr, "Nothing was done.");
    return exitCode.stopped;
  }
  const head = { command, url: connection.baseUrl, orgId: connection.orgId ?? null };
  let log: RunLog | undefined;
  if (flags.log !== undefined) {
    log = RunLog.start(flags.log, head, plan.open);
  } else if (flags.resume !== undefined && earlier !== undefined) {
    log = RunLog.resume(flags.resume, earlier, plan.added);
  }
  return await carryOut(command, connection, plan, log, settings, io);
}

interface PlanFlags {
  readonly file?: string | undefined;
  readonly format?: string | undefined;
  readonly column?: string | undefined;
  readonly "user-column"?: string | undefined;
  readonly yes?: boolean | undefined;
  readonly "dry-run"?: boolean | undefined;
}

/** Reads what there is to do, and makes sure that it may be done. */
async function readPlan(
  command: Command,
  positionals: readonly string[],
  flags: PlanFlags,
  connection: Connection,
  earlier: LogContent | undefined,
  io: Io,
): Promise<Plan> {
  // A log knows its grants, so standard input is read beside it only when it is named.
  const given =
    positionals.length > 0 ||
    flags.file !== undefined ||
    (earlier === undefined && !io.stdin.isTTY && !connection.usesStdin);
  if (!given && earlier === undefined) {
    throw new UsageError("Which grants? Give ids as arguments, with --file, or on standard input.");
  }
  const fromStdin =
    given && positionals.length === 0 && (flags.file === undefined || flags.file === "-");
  if (fromStdin && connection.usesStdin) {
    throw new UsageError(
      "Standard input holds the token: give the grants as arguments or with --file.",
    );
  }
  const stdinTaken = fromStdin || connection.usesStdin;
  if (!flags.yes && !flags["dry-run"] && (stdinTaken || !io.stdin.isTTY || !io.stderr.isTTY)) {
    throw new UsageError(
      `Nothing was done: ${stdinTaken ? "standard input is taken" : "there is no terminal"}, so there is no way to ask. Add --yes to go ahead.`,
    );
  }
  const reading = {
    file: flags.file,
    format: oneOf("--format", flags.format, formats),
    column: flags.column,
    userColumn: flags["user-column"],
  };
  const input: InputGrant[] = given
    ? await readGrants(positionals, reading, command === "deactivate", io)
    : [];
  const plan = makePlan(input, earlier);
  if (plan.total === 0) {
    throw new UsageError("Nothing was done: there are no grants in the input.");
  }
  return plan;
}

/** Says where it goes, as whom, and how many. Undefined, and said why, when that cannot be known. */
async function introduce(
  command: Command,
  connection: Connection,
  plan: Plan,
  io: Io,
): Promise<Identity | undefined> {
  let identity: Identity;
  try {
    identity = await whoAmI(connection);
  } catch (error) {
    if (error instanceof NoAccess || error instanceof ConnectError) {
      line(io.stderr, error instanceof NoAccess ? error.message : explain(error));
      line(io.stderr, "Nothing was done. zitadel-user-grants doctor finds out more.");
      return undefined;
    }
    throw error;
  }
  const before = plan.total - plan.open.length;
  line(io.stderr, `Instance      ${connection.baseUrl}`);
  line(io.stderr, `Organization  ${identity.organization}`);
  line(io.stderr, `Account       ${identity.account}`);
  line(
    io.stderr,
    `Grants        ${plan.open.length} to ${command}${before > 0 ? `; ${before} of ${plan.total} are decided` : ""}`,
  );
  return identity;
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

function seconds(flag: string, value: string | undefined): number | undefined {
  const number = wholeNumber(flag, value, 2_147_483);
  return number === undefined ? undefined : number * 1000;
}
