import { createRequire } from "node:module";
import { similarName } from "../bulk/internal.js";
import { doctor } from "./commands/doctor.js";
import { list } from "./commands/list.js";
import { report } from "./commands/report/report.js";
import { restore } from "./commands/restore/restore.js";
import { resume } from "./commands/resume.js";
import { deactivate, remove } from "./commands/revoke/run.js";
import { sandbox } from "./commands/sandbox.js";
import { verify } from "./commands/verify.js";
import { connectionGroup } from "./connect.js";
import { type Command, connectionHelp, helpOf, overview } from "./flags.js";
import { Ended, exitCode, type Io, line, UsageError, writeAll } from "./io.js";
import { printable, show } from "./terminal.js";

export type { Io } from "./io.js";

/** The commands, in the order in which help lists them. */
export const commands: readonly Command[] = [
  ...[list, remove, deactivate, resume, verify, restore, report],
  ...[doctor, sandbox],
];

/** Runs the command line and returns its exit code. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...args] = argv;
  let command: Command | undefined;
  try {
    switch (first) {
      case undefined:
        // A script whose variable is empty must not take this for success.
        await writeAll(io, overview(commands));
        return exitCode.usage;
      case "--version":
      case "-v":
      case "version":
        await writeAll(io, `${createRequire(import.meta.url)("../../package.json").version}\n`);
        return exitCode.done;
      case "--help":
      case "-h":
      case "help":
        await writeAll(io, helpOn(args[0]));
        return exitCode.done;
      default:
        command = find(first, "command");
    }
    if (args.includes("--help") || args.includes("-h")) {
      await writeAll(io, helpOf(command));
      return exitCode.done;
    }
    return await command.run(args, io);
  } catch (error) {
    if (!(error instanceof Ended)) {
      throw error;
    }
    const topic = command === undefined ? "" : ` ${command.name}`;
    const help = error instanceof UsageError ? [`See: zitadel-user-grants help${topic}`] : [];
    // The message may contain text of a log or a server; the tool's own messages may have several lines.
    for (const text of [...error.message.split("\n"), ...help].filter(Boolean)) {
      line(io.stderr, printable(text));
    }
    return error.exitCode;
  }
}

function helpOn(topic: string | undefined): string {
  return topic === undefined
    ? overview(commands)
    : topic === "connection"
      ? connectionHelp(connectionGroup)
      : helpOf(find(topic, "help on"));
}

/** @throws UsageError when there is no such command. */
function find(name: string, what: string): Command {
  const command = commands.find((one) => one.name === name);
  if (command === undefined) {
    const guess = similarName(name, [...commands.map((one) => one.name), "help", "version"]);
    throw new UsageError(
      `There is no ${what} ${show(name)}${guess === undefined ? "." : `; did you mean ${guess}?`}`,
    );
  }
  return command;
}
