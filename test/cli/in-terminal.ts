import { fileURLToPath } from "node:url";
import { type IPty, spawn } from "@lydell/node-pty";

const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));

export interface TerminalOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly columns?: number;
  /** "xterm" when not given. */
  readonly term?: string;
  /** What to type when a text comes up, in this order; `$1` is what its group has found. */
  readonly keys?: readonly (readonly [text: RegExp, typed: string])[];
  /** Kills the process, as kill -9 does, when this comes up. */
  readonly killAt?: RegExp;
  /** What to do, once, when a text comes up. */
  readonly when?: readonly [text: RegExp, act: (terminal: IPty) => void];
}

/** Runs the built command in a pseudo-terminal. */
export function inTerminal(
  argv: readonly string[],
  { env, cwd, columns = 80, term = "xterm", keys = [], killAt, when }: TerminalOptions,
): Promise<{ exitCode: number; screen: string }> {
  const terminal = spawn(process.execPath, [bin, ...argv], {
    ...{ name: term, cols: columns, rows: 30 },
    ...(cwd === undefined ? {} : { cwd }),
    env: { TERM: term, ...env },
  });
  const waiting = [...keys];
  const acts = [
    ...(when === undefined ? [] : [when]),
    ...(killAt === undefined
      ? []
      : [[killAt, () => process.kill(terminal.pid, "SIGKILL")] as const]),
  ];
  let screen = "";
  terminal.onData((text) => {
    screen += text;
    const [act] = acts;
    if (act?.[0].test(screen)) {
      acts.shift();
      act[1](terminal);
    }
    const [[pattern, typed] = [/$^/, ""]] = waiting;
    const [found] = pattern.exec(screen) ?? [];
    if (found !== undefined) {
      waiting.shift();
      terminal.write(found.replace(pattern, typed));
    }
  });
  return new Promise((resolve) => terminal.onExit(({ exitCode }) => resolve({ exitCode, screen })));
}
