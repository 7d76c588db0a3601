import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Project } from "../support/project.js";

/** A program of an example, running in its project. */
export interface Program {
  /** The first line on stdout that matches. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts a program that keeps running. What it writes to stderr is shown when it ends too early. */
export function startProgram(
  project: Project,
  args: string[],
  env: Record<string, string>,
): Program {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: project.folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let errors = "";
  child.stderr?.on("data", (data) => {
    errors += data;
  });
  const listeners = new Set<() => void>();
  createInterface({ input: child.stdout! }).on("line", (line) => {
    lines.push(line);
    for (const listener of listeners) {
      listener();
    }
  });
  const exited = once(child, "exit");
  return {
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          for (const line of lines) {
            const match = pattern.exec(line);
            if (match !== null) {
              listeners.delete(look);
              resolve(match);
              return;
            }
          }
        };
        listeners.add(look);
        look();
        exited.then(([code, signal]) =>
          reject(new Error(`${args.join(" ")} ended with ${code ?? signal}: ${errors}`)),
        );
      }),
    kill: async (signal) => {
      child.kill(signal);
      const [code] = await exited;
      return code;
    },
  };
}
