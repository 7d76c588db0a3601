import { createRequire } from "node:module";
import { doctor, doctorUsage } from "./commands/doctor.js";
import { bulkUsage, runBulk } from "./commands/run.js";
import { runSandbox } from "./commands/sandbox.js";
import { exitCode, type Io, line, UsageError } from "./io.js";

export type { Io } from "./io.js";

const usage = `Takes project access away from ZITADEL users.

Usage: zitadel-user-grants <command>

Commands:
  remove      remove grants, as many as you like
  deactivate  deactivate grants: they stay and can be activated again
  doctor      find out what is wrong with connection, token or permission
  sandbox     start a stand-in for ZITADEL on this machine

zitadel-user-grants <command> --help says more. --version prints the version.

Exit codes: 0 every grant is done; 1 wrong usage, nothing was sent; 2 some grants failed or were not
found; 3 stopped early; 4 ended for want of connection, token or permission.
`;

/** Runs the command line and returns its exit code. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const [command, ...args] = argv;
  const help = args.includes("--help") || args.includes("-h");
  try {
    switch (command) {
      case "remove":
      case "deactivate":
        if (help) {
          io.stdout.write(bulkUsage(command));
          return exitCode.done;
        }
        return await runBulk(command, args, io);
      case "doctor":
        if (help) {
          io.stdout.write(doctorUsage);
          return exitCode.done;
        }
        return await doctor(args, io);
      case "sandbox":
        return await runSandbox(args, io);
      case "--help":
      case "-h":
      case "help":
        io.stdout.write(usage);
        return exitCode.done;
      case "--version":
        line(io.stdout, createRequire(import.meta.url)("../../package.json").version);
        return exitCode.done;
      case undefined:
        throw new UsageError("Which command?");
      default:
        throw new UsageError(`There is no command ${JSON.stringify(command)}.`);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      line(io.stderr, error.message);
      line(
        io.stderr,
        `See zitadel-user-grants ${isCommand(command) ? `${command} --help` : "--help"}`,
      );
      return exitCode.usage;
    }
    throw error;
  }
}

function isCommand(command: string | undefined): boolean {
  return ["remove", "deactivate", "doctor", "sandbox"].includes(command ?? "");
}
