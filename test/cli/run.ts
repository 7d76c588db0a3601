import { PassThrough } from "node:stream";
import { main } from "../../src/cli/main.js";
import type { Environment } from "../../src/common/time.js";

export interface Run {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface Setting {
  env?: Record<string, string>;
  /** What comes on standard input; undefined for a terminal. */
  stdin?: string | undefined;
  /** Whether standard output and error are a terminal. */
  isTerminal?: boolean;
  /** The clock of waits; the platform's when not given. */
  environment?: Environment;
  /** Sees all output as it comes, and can press Ctrl-C or type. */
  onOutput?: (text: string, keys: { interrupt: () => void; type: (text: string) => void }) => void;
}

/** The same with --no-log where the default would put a log into the working directory. */
export function withoutLog(argv: readonly string[]): readonly string[] {
  const logs = ["--log", "--no-log", "--resume"];
  const bulk = argv[0] === "remove" || argv[0] === "deactivate";
  return bulk && !argv.some((argument) => logs.includes(argument)) ? [...argv, "--no-log"] : argv;
}

/** Runs the command line as a process would, with what it reads and writes at hand. */
export async function run(argv: readonly string[], setting: Setting = {}): Promise<Run> {
  const { env = {}, stdin = "", isTerminal = false, onOutput } = setting;
  const input = Object.assign(new PassThrough(), {
    isTTY: isTerminal && setting.stdin === undefined,
  });
  if (!input.isTTY) {
    input.end(stdin);
  }
  const listeners = new Set<() => void>();
  const keys = {
    interrupt: () => {
      for (const listener of [...listeners]) {
        listener();
      }
    },
    type: (text: string) => input.write(text),
  };
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => {
    const stream = new PassThrough();
    stream.on("data", (chunk) => {
      written[name] += chunk;
      onOutput?.(String(chunk), keys);
    });
    return Object.assign(stream, {
      isTTY: isTerminal,
      columns: 100,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    });
  };
  const exitCode = await main(argv, {
    stdin: input,
    stdout: output("stdout"),
    stderr: output("stderr"),
    env,
    environment: setting.environment,
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  await new Promise((resolve) => setImmediate(resolve));
  return { exitCode, ...written };
}
