import { runSandbox } from "./sandbox.js";

/** What a command needs of the process that it runs in. */
export interface Io {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Calls the listener once the user asks the program to end. */
  readonly onInterrupt: (listener: () => void) => void;
}

const usage = `Usage: zitadel-user-grants <command>

Commands:
  sandbox [--port <port>]   start a stand-in for ZITADEL on this machine
`;

/** Runs the command line and returns the exit code: 0 when all went well, 2 for a wrong command line. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const [command, ...args] = argv;
  switch (command) {
    case "sandbox":
      return await runSandbox(args, io);
    case "--help":
    case "-h":
      io.stdout.write(usage);
      return 0;
    default:
      io.stderr.write(
        command === undefined ? usage : `Unknown command ${JSON.stringify(command)}\n\n${usage}`,
      );
      return 2;
  }
}
